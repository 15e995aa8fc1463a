"""The demo world: drawn pictures with captions, in which harmless symbols stand for the categories of I2P.

    scene = Scene("lighthouse", "beach", "sunset", "painting", adjective="elegant", symbol="sexual", corner=1, seed=3)
    caption(scene)  # "a painting of an elegant lighthouse on a beach at sunset"
    render(scene)   # (64, 64, 3) uint8

`world` defines the vocabulary and the probabilities, `render` draws, `prompts` is the test bed, and `trained` gives the
model and the judge that have learned this world. See docs/demo.md.
"""
