from helpers import cheap_models  # noqa: F401
