"""Pictures drawn by code: six kinds of scene, each different with every seed."""

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Size = tuple[int, int]
Colour = tuple[int, int, int]
Drawing = tuple[Image.Image, ImageDraw.ImageDraw]


def scene(seed: int, size: Size) -> Image.Image:
    """Return an RGB picture; the same seed and size give the same picture."""
    chance = random.Random(seed)  # noqa: S311 - a drawing, no secret
    return SCENES[seed % len(SCENES)](chance, size)


def _sky(size: Size, colours: Sequence[Colour]) -> Image.Image:
    """Blend the colours from top to bottom."""
    width, height = size
    stops = np.linspace(0, 1, len(colours))
    at = np.linspace(0, 1, height)
    bands = np.stack(
        [np.interp(at, stops, [colour[channel] for colour in colours]) for channel in range(3)], axis=1
    )
    rows = np.repeat(bands[:, None, :], width, axis=1)
    grain = np.random.default_rng(1).normal(0, 1.2, rows.shape)  # a plain blend shows its bands
    return Image.fromarray(np.clip(rows + grain, 0, 255).astype(np.uint8), "RGB")


def _glow(picture: Image.Image, centre: tuple[float, float], radius: float, colour: Colour) -> Image.Image:
    """Add a sun or a moon with its light around it."""
    width, height = picture.size
    y, x = np.ogrid[:height, :width]
    distance = np.hypot(x - centre[0], y - centre[1])
    light = np.exp(-np.clip(distance - radius, 0, None) / (radius * 2.2))[..., None] * 0.75
    light = np.where(distance[..., None] <= radius, 1.0, light)
    blended = np.asarray(picture) * (1 - light) + np.array(colour) * light
    return Image.fromarray(np.clip(blended, 0, 255).astype(np.uint8), "RGB")


def _ridge(chance: random.Random, width: int, level: float, rise: float) -> list[tuple[float, float]]:
    waves = [(chance.uniform(0.6, 4), chance.uniform(0, 6.28), chance.uniform(0.2, 1)) for _ in range(4)]
    return [
        (
            x,
            level
            + rise
            * sum(size * math.sin(x / width * 6.28 * speed + start) for speed, start, size in waves)
            / 2,
        )
        for x in range(0, width + 8, 8)
    ]


def harbour(chance: random.Random, size: Size) -> Image.Image:
    """Boats at dusk."""
    width, height = size
    horizon = height * chance.uniform(0.52, 0.6)
    top = chance.choice([(44, 32, 84), (30, 44, 92), (70, 36, 80)])
    picture = _sky(size, [top, (196, 92, 96), (250, 176, 102), (108, 72, 96), (26, 28, 52)])
    sun = (width * chance.uniform(0.25, 0.75), horizon - height * 0.05)
    picture = _glow(picture, sun, height * 0.05, (255, 226, 160))
    pen = ImageDraw.Draw(picture, "RGBA")
    for _ in range(260):
        y = horizon + (height - horizon) * chance.random() ** 1.4
        near = (y - horizon) / (height - horizon)
        spread = width * (0.03 + 0.22 * near)
        x = chance.gauss(sun[0], spread)
        length = 10 + 70 * near
        pen.line(
            [(x, y), (x + length, y)],
            fill=(255, 206, 140, int(120 * (1 - 0.6 * near))),
            width=1 + int(3 * near),
        )
    for _ in range(chance.randint(3, 6)):
        _boat(
            pen,
            chance,
            width * chance.uniform(0.05, 0.95),
            horizon + height * chance.uniform(0.04, 0.3),
            height,
        )
    return picture


def _boat(pen: ImageDraw.ImageDraw, chance: random.Random, x: float, y: float, height: int) -> None:
    length = height * chance.uniform(0.08, 0.2)
    dark = (22, 20, 38, 255)
    rim = y - length * 0.14
    hull = [(x - length / 2, rim), (x + length / 2, rim), (x + length * 0.36, y), (x - length * 0.4, y)]
    pen.polygon(hull, fill=dark)
    mast = length * chance.uniform(0.8, 1.3)
    pen.line([(x, y - length * 0.1), (x, y - mast)], fill=dark, width=3)
    pen.polygon(
        [(x + 4, y - mast), (x + 4, y - length * 0.2), (x + length * 0.36, y - length * 0.2)],
        fill=(240, 214, 190, 190),
    )


def hills(chance: random.Random, size: Size) -> Image.Image:
    """Hills in the morning, the far ones paler."""
    width, height = size
    picture = _sky(size, [(92, 160, 214), (178, 212, 232), (250, 232, 204), (250, 232, 204)])
    picture = _glow(
        picture, (width * chance.uniform(0.15, 0.85), height * 0.3), height * 0.055, (255, 246, 214)
    )
    pen = ImageDraw.Draw(picture)
    tint = chance.choice([(28, 84, 62), (60, 84, 40), (36, 72, 92)])
    for layer in range(6):
        near = (layer + 1) / 6
        colour = tuple(int(200 * (1 - near) + part * near) for part in tint)
        ridge = _ridge(chance, width, height * (0.42 + 0.1 * layer), height * 0.05)
        pen.polygon([(0, height), *ridge, (width, height)], fill=colour)
    return picture


def city(chance: random.Random, size: Size) -> Image.Image:
    """Houses at night with lamps in their windows."""
    width, height = size
    picture = _sky(size, [(10, 14, 38), (30, 34, 80), (92, 58, 104), (30, 26, 48)])
    picture = _glow(
        picture, (width * chance.uniform(0.1, 0.9), height * 0.18), height * 0.04, (244, 240, 220)
    )
    pen = ImageDraw.Draw(picture)
    for row, shade in enumerate(((44, 42, 78), (28, 28, 54), (14, 14, 30))):
        x = -20.0
        while x < width:
            broad = width * chance.uniform(0.05, 0.11)
            roof = height * chance.uniform(0.32 + 0.13 * row, 0.6 + 0.1 * row)
            pen.rectangle([x, roof, x + broad, height], fill=shade)
            _windows(pen, chance, (x, roof, x + broad, height))
            x += broad + width * chance.uniform(0, 0.015)
    return picture


def _windows(
    pen: ImageDraw.ImageDraw, chance: random.Random, house: tuple[float, float, float, float]
) -> None:
    left, roof, right, ground = house
    lamp = chance.choice([(255, 214, 130), (255, 236, 190), (250, 190, 110)])
    for y in range(int(roof) + 14, int(ground) - 10, 24):
        for x in range(int(left) + 10, int(right) - 14, 20):
            if chance.random() < 0.42:
                pen.rectangle([x, y, x + 8, y + 12], fill=lamp)


def garden(chance: random.Random, size: Size) -> Image.Image:
    """Flowers close by, others out of focus behind."""
    width, height = size
    picture = _sky(size, [(70, 118, 66), (122, 164, 84), (52, 96, 54)])
    hues = chance.choice(
        [
            [(232, 84, 108), (250, 196, 206)],
            [(250, 196, 60), (255, 240, 190)],
            [(150, 108, 214), (226, 204, 250)],
        ]
    )
    for distance in range(3):
        layer = Image.new("RGBA", size)
        pen = ImageDraw.Draw(layer)
        for _ in range(26 - 8 * distance):
            centre = (width * chance.random(), height * chance.random())
            _flower(pen, chance, centre, height * (0.04 + 0.035 * distance), chance.choice(hues))
        layer = layer.filter(ImageFilter.GaussianBlur((2 - distance) * height / 90))
        picture.paste(layer, mask=layer.getchannel("A"))
    return picture


def _flower(
    pen: ImageDraw.ImageDraw,
    chance: random.Random,
    centre: tuple[float, float],
    radius: float,
    colour: Colour,
) -> None:
    x, y = centre
    turn = chance.uniform(0, 6.28)
    petals = chance.choice([5, 6, 8])
    for petal in range(petals):
        angle = turn + petal * 6.283 / petals
        px, py, reach = x + radius * math.cos(angle), y + radius * math.sin(angle), radius * 0.72
        pen.ellipse([px - reach, py - reach, px + reach, py + reach], fill=(*colour, 235))
    heart = radius * 0.5
    pen.ellipse([x - heart, y - heart, x + heart, y + heart], fill=(250, 206, 70, 255))


def storm(chance: random.Random, size: Size) -> Image.Image:
    """Dark clouds, rain, and a stroke of lightning over a field."""
    width, height = size
    noise = np.random.default_rng(chance.randrange(1 << 30))
    clouds = np.zeros((height, width))
    for cells in (4, 8, 16, 32):
        patch = Image.fromarray((noise.random((cells, cells * 2)) * 255).astype(np.uint8), "L")
        clouds += np.asarray(patch.resize(size, Image.Resampling.BICUBIC), dtype=float) / cells
    clouds = (clouds - clouds.min()) / np.ptp(clouds)
    shade = np.linspace(0.75, 1.15, height)[:, None] * (0.35 + 0.65 * clouds)
    picture = Image.fromarray(
        np.clip(shade[..., None] * np.array([116, 126, 150]), 0, 255).astype(np.uint8), "RGB"
    )
    pen = ImageDraw.Draw(picture, "RGBA")
    x, y = width * chance.uniform(0.25, 0.75), 0.0
    while y < height * 0.74:
        step = (x + chance.gauss(0, width * 0.025), y + height * chance.uniform(0.03, 0.08))
        pen.line([(x, y), step], fill=(250, 246, 255, 90), width=14)
        pen.line([(x, y), step], fill=(255, 252, 240, 255), width=4)
        x, y = step
    pen.polygon(
        [(0, height), *_ridge(chance, width, height * 0.8, height * 0.02), (width, height)],
        fill=(38, 46, 40, 255),
    )
    for _ in range(420):
        x, y = width * chance.random(), height * chance.random()
        pen.line([(x, y), (x - 7, y + 34)], fill=(210, 220, 236, 70), width=2)
    return picture


def balloons(chance: random.Random, size: Size) -> Image.Image:
    """Balloons in the sky."""
    width, height = size
    picture = _sky(size, [(58, 138, 206), (136, 194, 232), (232, 240, 240)])
    pen = ImageDraw.Draw(picture, "RGBA")
    for _ in range(7):
        x, y = width * chance.random(), height * chance.uniform(0.5, 0.95)
        for _ in range(9):
            puff = height * chance.uniform(0.03, 0.08)
            px, py = x + chance.gauss(0, width * 0.05), y + chance.gauss(0, height * 0.015)
            pen.ellipse(
                [px - puff * 1.6, py - puff * 0.6, px + puff * 1.6, py + puff * 0.6], fill=(255, 255, 255, 70)
            )
    for at in range(chance.randint(4, 7)):
        near = 0.05 + 0.12 * chance.random()
        _balloon(
            pen,
            chance,
            (
                width * (0.1 + 0.8 * ((at * 0.37 + chance.random() * 0.2) % 1)),
                height * chance.uniform(0.15, 0.65),
            ),
            height * near,
        )
    return picture


def _balloon(
    pen: ImageDraw.ImageDraw, chance: random.Random, centre: tuple[float, float], radius: float
) -> None:
    x, y = centre
    colours = chance.choice(
        [[(214, 58, 60), (250, 226, 180)], [(240, 150, 40), (120, 50, 110)], [(40, 100, 160), (244, 214, 90)]]
    )
    pen.polygon(
        [
            (x - radius * 0.62, y + radius * 0.76),
            (x + radius * 0.62, y + radius * 0.76),
            (x, y + radius * 1.6),
        ],
        fill=colours[0],
    )
    for stripe in range(6):
        half = radius * (1 - stripe / 6)
        pen.ellipse([x - half, y - radius, x + half, y + radius], fill=colours[stripe % 2])
    pen.rectangle(
        [x - radius * 0.18, y + radius * 1.6, x + radius * 0.18, y + radius * 1.85], fill=(92, 62, 40)
    )


SCENES: Sequence[Callable[[random.Random, Size], Image.Image]] = (
    harbour,
    hills,
    city,
    garden,
    storm,
    balloons,
)
