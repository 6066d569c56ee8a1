from .onnx_export import export_onnx as export_onnx
from .options import ServeOptions as ServeOptions
from .server import serve as serve
from .spacy_component import export_spacy as export_spacy
from .transformers_export import export_transformers as export_transformers
