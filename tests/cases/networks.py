"""The networks of the cases about networks, as a module that a user would bring."""

import textwrap
from pathlib import Path

NETWORKS = '''
    import torch
    from torch import nn


    class View(nn.Module):
        """Case 03: .view of what lies in channels_last."""

        def __init__(self, num_classes, in_channels):
            super().__init__()
            self.conv = nn.Conv2d(in_channels, 16, 3, 4, 1)
            self.fc = nn.Linear(16 * 4 * 4, num_classes)

        def forward(self, x):
            x = torch.relu(self.conv(x))
            return self.fc(x.view(x.size(0), -1))


    class Mixer(nn.Module):
        """Case 04: layers that give more than one tensor, of which torchsummary knows nothing."""

        def __init__(self, num_classes, in_channels, kind):
            super().__init__()
            self.conv, self.kind = nn.Conv2d(in_channels, 16, 4, 4), kind
            attention = nn.MultiheadAttention(16, 2, batch_first=True)
            self.mix = attention if kind == "attention" else nn.LSTM(16, 16, batch_first=True)
            self.fc = nn.Linear(16, num_classes)

        def forward(self, x):
            t = self.conv(x).flatten(2).transpose(1, 2)
            t = (self.mix(t, t, t, need_weights=False) if self.kind == "attention" else self.mix(t))[0]
            return self.fc(t.mean(1))


    class Outputs(nn.Module):
        """Case 05: an output that is no tensor of logits (N, classes), in training mode alone where `late`."""

        def __init__(self, in_channels, outputs, form, late=False):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(in_channels, 16, 3, 2, 1), nn.Conv2d(16, outputs, 1)
            self.form, self.late = form, late

        def forward(self, x):
            y = self.fc(torch.relu(self.conv(x)).mean((2, 3), keepdim=True))
            flat = y.flatten(1)
            if self.late and not self.training:
                return flat
            return {
                "flat": flat, "unflattened": y, "pair": (flat, flat), "mapping": {"logits": flat},
                "numbers": flat.argmax(1, keepdim=True).expand(-1, 3), "squeezed": y.squeeze(),
                "detached": flat.detach(),
            }[self.form]


    class NoNumber(nn.Module):
        """Learns, and gives no number in evaluation mode."""

        def __init__(self, num_classes, in_channels):
            super().__init__()
            self.body = raises(num_classes, in_channels)

        def forward(self, x):
            return self.body(x) if self.training else self.body(x) * float("nan")


    class Unused(nn.Module):
        """Case 23: parameters that the forward pass does not use."""

        def __init__(self, num_classes, in_channels):
            super().__init__()
            self.conv, self.never = nn.Conv2d(in_channels, 16, 3, 2, 1), nn.Linear(5, 5)
            self.fc = nn.Linear(16, num_classes)

        def forward(self, x):
            return self.fc(torch.relu(self.conv(x)).mean((2, 3)))


    class Shared(nn.Module):
        """Case 32: a layer that is called twice, and a parameter of no layer."""

        def __init__(self, num_classes, in_channels, bare=True):
            super().__init__()
            self.conv, self.again = nn.Conv2d(in_channels, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1)
            self.scale = nn.Parameter(torch.ones(8, 1, 1)) if bare else 1.0
            self.fc = nn.Linear(8, num_classes)

        def forward(self, x):
            x = self.again(torch.relu(self.again(torch.relu(self.conv(x)))))
            return self.fc((self.scale * x).mean((2, 3)))


    def view(num_classes=10, in_channels=3): return View(num_classes, in_channels)
    def attention(num_classes=10, in_channels=3): return Mixer(num_classes, in_channels, "attention")
    def lstm(num_classes=10, in_channels=3): return Mixer(num_classes, in_channels, "lstm")
    def few(num_classes, in_channels): return Outputs(in_channels, 2, "flat")
    def many(num_classes, in_channels): return Outputs(in_channels, 1000, "flat")
    def unflattened(num_classes, in_channels): return Outputs(in_channels, num_classes, "unflattened")
    def pair(num_classes, in_channels): return Outputs(in_channels, num_classes, "pair", late=True)
    def mapping(num_classes, in_channels): return Outputs(in_channels, num_classes, "mapping")
    def numbers(num_classes, in_channels): return Outputs(in_channels, num_classes, "numbers")
    def squeezed(num_classes, in_channels): return Outputs(in_channels, num_classes, "squeezed")
    def detached(num_classes, in_channels): return Outputs(in_channels, num_classes, "detached")
    def no_number(num_classes=10, in_channels=3): return NoNumber(num_classes, in_channels)
    def unused(num_classes=10, in_channels=3): return Unused(num_classes, in_channels)
    def shared(num_classes=10, in_channels=3): return Shared(num_classes, in_channels)
    def repeated(num_classes=10, in_channels=3): return Shared(num_classes, in_channels, bare=False)


    def norm(num_classes=10, in_channels=3):
        """A small network with batch normalization, also behind the pooling."""
        return nn.Sequential(nn.Conv2d(in_channels, 8, 3, 4), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(8), nn.Flatten(),
                             nn.Linear(8, num_classes))


    def raises(num_classes=10, in_channels=3, wide=8):
        """Fails where it is made with a wrong option."""
        return nn.Sequential(nn.Conv2d(in_channels, 2 * wide, 3, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                             nn.Linear(2 * wide, num_classes))


    def rgb(num_classes=10):
        """For RGB images alone."""
        return raises(num_classes, 3)
'''


def networks(folder: Path) -> Path:
    """Writes the module `net` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "net.py"
    path.write_text(textwrap.dedent(NETWORKS), encoding="utf-8")
    return path
