"""Direct-RE: the language model as the classifier, a baseline of Li, Dai, Li (ACL 2025).

It reads the relations with their explanations, a few labelled sentences and the sentence in
question, and names the relation. Nothing is trained.
"""
