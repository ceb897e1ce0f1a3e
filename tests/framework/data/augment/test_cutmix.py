import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from framework.data.augment.cutmix import CutMix
from tests.framework.data.training_images import keyed_images

SIZE = (12, 16)


def draw(p: float = 1.0, samples: int = 4000, **changes: int) -> tuple[torch.Tensor, torch.Tensor]:
    keys = {"seed": 1, "epoch": 2, "samples": samples, "trained": 30, "size": SIZE} | changes
    drawn = CutMix(p).draw(**keys)
    return torch.from_numpy(drawn["partner"]), torch.from_numpy(drawn["part"])


def mix(
    images: torch.Tensor, labels: torch.Tensor, partner: torch.Tensor, box: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    source = keyed_images(images=images.numpy(), mixing=[CutMix(1.0)])
    params = [{"partner": partner, "part": box}]
    return source.mixed(torch.arange(len(images)), lambda samples: images[samples], labels, params)


def test_images_and_shares_are_those_of_torchvision_for_the_same_box_and_partners() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (20, *SIZE, 3), generator=generator).to(torch.uint8)
    labels = torch.randint(5, (20,), generator=generator)
    reference = v2.CutMix(num_classes=5)
    partner = torch.arange(20).roll(1)
    for box in draw(samples=20)[1]:
        left, top, right, bottom = box.tolist()
        share = (right - left) * (bottom - top) / (SIZE[0] * SIZE[1])
        params = {"labels": labels, "batch_size": 20, "box": (left, top, right, bottom), "lam_adjusted": 1 - share}
        expected = reference.transform(images.permute(0, 3, 1, 2), params).permute(0, 2, 3, 1)
        shares = reference.transform(labels, params)
        mixed, found = mix(images, labels, partner, box.expand(20, 4))
        assert torch.equal(mixed, expected)
        torch.testing.assert_close(found, shares)


def test_boxes_are_distributed_as_torchvision_draws_them() -> None:
    reference = v2.CutMix(num_classes=5)
    torch.manual_seed(0)
    inputs = [torch.zeros(1, 3, *SIZE)]
    theirs = np.array([reference.make_params(inputs)["box"] for _ in range(4000)])
    ours = draw()[1].numpy()
    there = ours[:, 2] > ours[:, 0]
    drawn = (theirs[:, 2] > theirs[:, 0]) & (theirs[:, 3] > theirs[:, 1])
    assert abs(there.mean() - drawn.mean()) < 0.02
    np.testing.assert_allclose(ours[there].mean(0), theirs[drawn].mean(0), atol=0.3)
    np.testing.assert_allclose(ours[there].std(0), theirs[drawn].std(0), atol=0.3)


def test_so_many_are_mixed_as_asked_for_and_the_others_are_left_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (4000, *SIZE, 1), generator=generator).to(torch.uint8)
    labels = torch.randint(5, (4000,), generator=generator)
    partner, box = draw(0.3)
    mixed, shares = mix(images, labels, partner, box)
    changed = (mixed != images).flatten(1).any(1)
    assert not (changed & (box[:, 2] == box[:, 0])).any()
    assert 0.25 < changed.float().mean() < 0.3
    assert torch.equal(shares[~changed].argmax(1), labels[~changed]) and (shares[~changed].amax(1) == 1).all()
    torch.testing.assert_close(shares.sum(1), torch.ones(4000))


def test_draws_depend_on_seed_and_epoch_and_partners_are_trained_on() -> None:
    first, again, later, other = draw(), draw(), draw(epoch=3), draw(seed=2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for changed in (later, other):
        assert all((a != b).float().mean() > 0.5 for a, b in zip(first, changed, strict=True))
    assert set(first[0].tolist()) == set(range(30))


@pytest.mark.parametrize("chosen", [[], [3, 1], [0, 1, 2, 3]])
def test_nothing_to_mix_and_any_choice_of_samples(chosen: list[int]) -> None:
    images = torch.arange(4, dtype=torch.uint8).reshape(4, 1, 1, 1).expand(4, *SIZE, 1)
    partner, box = torch.tensor([1, 2, 3, 0]), torch.zeros(4, 4, dtype=torch.int64)
    box[chosen] = torch.tensor([0, 0, 16, 12])
    mixed, shares = mix(images, torch.arange(4), partner, box)
    expected = [int(partner[sample]) if sample in chosen else sample for sample in range(4)]
    assert mixed[:, 0, 0, 0].tolist() == shares.argmax(1).tolist() == expected
