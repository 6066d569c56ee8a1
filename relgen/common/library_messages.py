"""Messages of other libraries that relgen recognises, where no exception type tells them apart.

Each has a test in which the pinned version writes it, so that an upgrade that changes one is
noticed; those of GPUs cannot be provoked on a CPU.
"""

from __future__ import annotations

import re

# torch's and safetensors' for a full disk
FULL_DISK = re.compile(r"No space left|PytorchStreamWriter failed|unexpected pos \d+ vs")
# pathlib's for links that lead to each other, up to Python 3.12
SYMLINK_LOOP = re.compile("^Symlink loop from '(?P<path>.*)'")
# torch's for a GPU and for the machine
OUT_OF_MEMORY = re.compile("out of memory|can't allocate memory")
# torch's, of an embedding's table
BEYOND_TABLE = re.compile("^index out of range in self")
# torch's for a GPU, beside its AcceleratorError
NO_GPU = re.compile("CUDA (error|driver)")
# gloo's and NCCL's when another process of the run is gone
LOST_PROCESS = re.compile(
    r"Connection (closed by|reset by) peer|gloo.*[Tt]im(ed|e)[ -]?out|Broken pipe|"
    r"NCCL.*(timeout|aborted)|remote (process|worker)"
)
# Lightning's EarlyStopping for a metric that nothing logs
NOT_LOGGED = re.compile("is not available. Pass in or modify")
# Lightning's for a number of processes below 1, and for what a machine without a GPU lacks
NO_PROCESSES = re.compile("cpu accelerator")
NO_ACCELERATOR = re.compile("accelerator|gpu|cuda|devices", re.IGNORECASE)
# transformers' for models that it does not load
OWN_CODE = re.compile("trust_remote_code")
UNKNOWN_ARCHITECTURE = re.compile("does not recognize this architecture")
OTHER_SIZES = re.compile("ignore_mismatched_sizes")
OTHER_KIND = re.compile(r"Unrecognized configuration class.*AutoModel: (?P<kind>\w+)")
# transformers' for a folder without a model, and for one without a tokenizer
NO_MODEL = re.compile("^(Unrecognized model|Couldn't instantiate the backend tokenizer)")
# llguidance's for a grammar whose automaton has grown to its limit
FULL_AUTOMATON = re.compile("too many states")
