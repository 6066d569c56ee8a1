# the only door that opens on other rooms: names of their doors, and `run`, which stands in the CLI
# since it hands the commands to experiments
from .classifiers.saved import load_classifier as load_classifier
from .cli.experiment import run as run
from .data.samples import Sample as Sample
from .data.schema import RelationSchema as RelationSchema
from .generation.run import generate as generate
from .labelling.run import label as label

__version__: str
