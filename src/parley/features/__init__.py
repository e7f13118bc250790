"""Images as numbers: what a network trained on ImageNet makes of them."""
