"""Image features from pretrained torchvision networks."""
