import torch
from torch import nn

from .layers import Block


class Model(nn.Module):
    """Ordinary code: eval() in a docstring, os.system in a comment."""

    def forward(self, ids):
        # never os.system("x")
        self.eval()
        return torch.compile(self.block)(ids)
