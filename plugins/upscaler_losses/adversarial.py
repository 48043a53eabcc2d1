"""`adversarial`: a discriminator that learns to tell estimates from recordings, and the models' part against it.

D is its estimate of the probability that it hears a recording (white paper §3.3.3; Goodfellow et al., 2014):

    critic      −E[log D(y)] − E[log(1 − D(ŷ))]
    models      −E[log D(ŷ)] + λ·‖f(y) − f(ŷ)‖₁

With D = sigmoid(z), −log D = softplus(−z) and −log(1 − D) = softplus(z), which no z overflows. Two more forms of the
game on the logits z: least squares, (z − 1)² and z² (Mao et al., 2017), and the hinge, max(0, 1 − z) and max(0, 1 + z)
for the critic, −z for the models (Lim and Ye, 2017).

f are the features of the discriminator's inner layers (feature matching: Larsen et al., 2016; Kumar et al., 2019). All
norms and expectations are means, over layers and resolutions too.

The models' loss leaves no gradient in the discriminator's weights, and the critic's none in the models'.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import relu, softplus

from upscaler_losses.discriminator import Discriminator, Judgement
from upscaler_losses.dtypes import wide
from upscaler_losses.options import AdversarialOptions


class Adversarial(nn.Module):
    """The loss `adversarial`: called, it is the models' part, which is never 0; `critic` is the discriminator's."""

    def __init__(self, options: AdversarialOptions) -> None:
        super().__init__()
        self.options = options
        self.discriminator = Discriminator(options.fft_sizes, options.channels, options.floor)

    def forward(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> a scalar with a gradient for the estimate."""
        frozen = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        judged: list[Judgement] = functional_call(self.discriminator, frozen, (estimate,))
        loss = mean([self._pass(judgement.logits) for judgement in judged])
        if not self.options.feature_matching:
            return loss
        with torch.no_grad():
            real: list[Judgement] = self.discriminator(target)
        return loss + self.options.feature_matching * matching(judged, real)

    def critic(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> the scalar that the discriminator minimizes."""
        judged: list[Judgement] = self.discriminator(estimate.detach())
        real: list[Judgement] = self.discriminator(target)
        return mean([self._tell(r.logits, e.logits) for r, e in zip(real, judged, strict=True)])

    def _pass(self, logits: Tensor) -> Tensor:
        """What the models lose by these logits of theirs."""
        if self.options.form == "log":
            return softplus(-logits).mean()
        return (logits - 1).square().mean() if self.options.form == "least-squares" else -logits.mean()

    def _tell(self, real: Tensor, judged: Tensor) -> Tensor:
        """What the discriminator loses by its logits of recordings and of estimates."""
        if self.options.form == "log":
            return softplus(-real).mean() + softplus(judged).mean()
        if self.options.form == "least-squares":
            return (real - 1).square().mean() + judged.square().mean()
        return relu(1 - real).mean() + relu(1 + judged).mean()


def matching(judged: Sequence[Judgement], real: Sequence[Judgement]) -> Tensor:
    """Mean absolute difference of the inner features: the mean over layers and resolutions of each one's mean."""
    pairs = [
        pair for one, other in zip(judged, real, strict=True) for pair in zip(one.features, other.features, strict=True)
    ]
    return mean([(wide(one) - wide(other)).abs().mean() for one, other in pairs])


def mean(terms: Sequence[Tensor]) -> Tensor:
    """Mean of scalars."""
    return torch.stack(list(terms)).mean()
