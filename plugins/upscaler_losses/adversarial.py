"""`adversarial`: a discriminator that learns to distinguish estimates from recordings, and the loss of the models.

D is the discriminator's probability that its input is a recording (white paper §3.3.3; Goodfellow et al., 2014). With the
target y and the estimate ŷ, the losses of the discriminator ("critic") and of the models are

    critic      −E[log D(y)] − E[log(1 − D(ŷ))]
    models      −E[log D(ŷ)] + λ·‖f(y) − f(ŷ)‖₁

With the logit z and D = sigmoid(z), −log D = softplus(−z) and −log(1 − D) = softplus(z), which do not overflow for any z.
Two more forms work on the logits: least squares, (z − 1)² and z² (Mao et al., 2017), and the hinge, max(0, 1 − z) and
max(0, 1 + z) for the critic and −z for the models (Lim and Ye, 2017).

f are the features of the discriminator's inner layers (feature matching: Larsen et al., 2016; Kumar et al., 2019). All
norms and expectations are means, over layers and resolutions too.

The models' loss gives no gradient to the weights of the discriminator, and the critic's loss none to those of the models.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import relu, softplus

from upscaler_losses.discriminator import Discriminator, PatchScores
from upscaler_losses.dtypes import at_least_float32
from upscaler_losses.options import AdversarialOptions


class Adversarial(nn.Module):
    """The loss `adversarial`: a call computes the loss of the models, which is never 0, and `critic` the discriminator's."""

    def __init__(self, options: AdversarialOptions) -> None:
        super().__init__()
        self.options = options
        self.discriminator = Discriminator(options.fft_sizes, options.channels, options.floor)

    def forward(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> a scalar with a gradient for the estimate."""
        frozen = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        fake: list[PatchScores] = functional_call(self.discriminator, frozen, (estimate,))
        loss = mean([self._models_loss(scores.logits) for scores in fake])
        if not self.options.feature_matching:
            return loss
        with torch.no_grad():
            real: list[PatchScores] = self.discriminator(target)
        return loss + self.options.feature_matching * feature_distance(fake, real)

    def critic(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> the scalar that the discriminator minimizes."""
        fake: list[PatchScores] = self.discriminator(estimate.detach())
        real: list[PatchScores] = self.discriminator(target)
        return mean([self._critic_loss(r.logits, f.logits) for r, f in zip(real, fake, strict=True)])

    def _models_loss(self, logits: Tensor) -> Tensor:
        """The loss of the models by the logits of their estimates."""
        if self.options.form == "log":
            return softplus(-logits).mean()
        return (logits - 1).square().mean() if self.options.form == "least-squares" else -logits.mean()

    def _critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The loss of the discriminator by its logits of recordings and of estimates."""
        if self.options.form == "log":
            return softplus(-real).mean() + softplus(fake).mean()
        if self.options.form == "least-squares":
            return (real - 1).square().mean() + fake.square().mean()
        return relu(1 - real).mean() + relu(1 + fake).mean()


def feature_distance(fake: Sequence[PatchScores], real: Sequence[PatchScores]) -> Tensor:
    """Mean absolute difference of the inner features: one mean for each layer and resolution, then their mean."""
    pairs = [pair for f, r in zip(fake, real, strict=True) for pair in zip(f.features, r.features, strict=True)]
    return mean([(at_least_float32(f) - at_least_float32(r)).abs().mean() for f, r in pairs])


def mean(terms: Sequence[Tensor]) -> Tensor:
    """Mean of scalars."""
    return torch.stack(list(terms)).mean()
