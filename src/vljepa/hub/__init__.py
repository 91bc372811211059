"""Hugging Face's classes for our model folders. Importing this registers them:

    import vljepa.hub
    from transformers import AutoModel, AutoProcessor

    model = AutoModel.from_pretrained("FOLDER or USER/NAME")
    processor = AutoProcessor.from_pretrained("FOLDER or USER/NAME")

transformers has no way to find classes of other packages by itself, and `trust_remote_code` would run whatever a
repository holds; one import is the whole price.
"""

try:
    from transformers import AutoConfig, AutoModel, AutoProcessor
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("vljepa.hub needs transformers: pip install 'vljepa[hub]'") from error

from vljepa.hub.config import VLJEPAConfig
from vljepa.hub.model import VLJEPAModel, VLJEPAOutput
from vljepa.hub.processor import VLJEPAProcessor

__all__ = ["VLJEPAConfig", "VLJEPAModel", "VLJEPAOutput", "VLJEPAProcessor"]

AutoConfig.register(VLJEPAConfig.model_type, VLJEPAConfig, exist_ok=True)
AutoModel.register(VLJEPAConfig, VLJEPAModel, exist_ok=True)
AutoProcessor.register(VLJEPAConfig, VLJEPAProcessor, exist_ok=True)
