"""Direct-RE: the language model as the classifier, a baseline of Li, Dai, Li (ACL 2025).

The model reads the relations with their explanations, a few labelled sentences and a new sentence,
and names its relation. Nothing is trained.
"""
