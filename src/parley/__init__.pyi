from parley.analysis.load import load as load

__version__: str
