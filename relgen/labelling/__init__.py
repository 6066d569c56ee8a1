"""Labels for generated sentences that do not rest on what the generator meant to write.

A small language model often misses the relation that it was asked for, but it reads better than it
writes. Its hidden states, read at a sentence's two entities, and a logistic regression over them,
fitted to the K labelled samples of each relation, tell relations apart better than the small
encoder that is trained downstream. Their probabilities become the generated samples' labels, and
the downstream classifier is trained on these (knowledge distillation: Hinton et al. 2015, arXiv
1503.02531; on generated text: He et al. 2022, arXiv 2106.06168).

`views` says what the model reads, `states` reads it, `probe` is the regression, `run` the command.
"""
