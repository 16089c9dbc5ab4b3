from typing import Any

DynamicLayer: Any
