"""What is refused of judges; trials as in `advice`."""

CLIP = "q16=vit_l_14 q16.architecture={clip_config} q16.weights={clip} q16.prompts={pair}"
NUDENET = "judges=[nudenet] methods=[baseline]"
LOADED = "loaded"  # accepted once loading begins
FETCHED = "fetched"  # accepted once weights would be fetched from the hub
JUDGED = "judged"  # accepted once the judges are loaded
FITTED = "fitted"  # accepted once the judge's weights would be read, which are not of this size here

TRIALS = [
    (
        "correct architecture=FILE",
        f"{CLIP} q16.architecture={{none}}.json",
        "q16.architecture=FILE",
        CLIP,
        JUDGED,
    ),
    ("correct weights=FILE", f"{CLIP} q16.weights={{none}}.bin", "q16.weights=FILE", CLIP, JUDGED),
    (
        "a pickle can run code",
        f"{CLIP} q16.weights={{clip_pickle}}",
        "q16.allow_pickle=true",
        f"{CLIP} q16.weights={{clip_pickle}} q16.allow_pickle=true",
        JUDGED,
    ),
    (
        "expected a weights file with the config",
        f"{CLIP} q16.weights=openai",
        "q16.weights=FILE",
        CLIP,
        JUDGED,
    ),
    (
        "expected weights trained with the activation",
        "q16=vit_l_14 q16.architecture=ViT-L-14 q16.weights=openai q16.prompts={long_pair}",
        "q16.architecture=ViT-L-14-quickgelu",
        "q16=vit_l_14 q16.architecture=ViT-L-14-quickgelu q16.weights=openai q16.prompts={long_pair}",
        FETCHED,
    ),
    (
        "expected execution providers of",
        f"{NUDENET} nudenet.providers=[CUDA]",
        "nudenet.providers=[CPUExecutionProvider]",
        f"{NUDENET} nudenet.providers=[CPUExecutionProvider]",
        JUDGED,
    ),
    ("leave prompts= out for the published pair", f"{CLIP} q16.prompts={{none}}.p", "q16.prompts=FILE", CLIP, JUDGED),
    (
        "leave prompts= out for the published pair",
        "q16=vit_l_14 q16.prompts={none}.p",
        "leave q16.prompts= out",
        "q16=vit_l_14",
        LOADED,
    ),
    *(
        (
            "expected the published prompt pair",
            "q16=vit_l_14 q16.architecture=ViT-L-14 q16.weights={clip} q16.prompts={published}",
            advice,
            f"q16=vit_l_14 q16.architecture=ViT-L-14 q16.weights={{clip}} q16.prompts={{published}} {word}",
            FITTED,
        )
        for advice, word in (
            ("q16.architecture=ViT-L-14-quickgelu", "q16.architecture=ViT-L-14-quickgelu"),
            ("q16.prompts=FILE", "q16.prompts={long_pair}"),
        )
    ),
    ("expected a prompt pair of length", f"{CLIP} q16.prompts={{long_pair}}", "q16.prompts=FILE", CLIP, JUDGED),
    (
        "found a file that can't be loaded into it",
        f"{CLIP} q16.architecture={{other_config}}",
        "q16.architecture=NAME",
        CLIP,
        JUDGED,
    ),
    (
        "or the path of a config JSON",
        "q16=vit_l_14 q16.architecture=ViT-L-41-quickgelu q16.prompts={long_pair}",
        "as in q16.architecture=ViT-L-14-quickgelu",
        "q16=vit_l_14 q16.architecture=ViT-L-14-quickgelu q16.prompts={long_pair}",
        FETCHED,
    ),
    (
        "expected a file or a tag",
        "q16=vit_l_14 q16.weights=openia q16.prompts={long_pair}",
        "as in q16.weights=openai",
        "q16=vit_l_14 q16.weights=openai q16.prompts={long_pair}",
        FETCHED,
    ),
    (
        "expected … in the hub's cache, found none while",
        "q16=vit_l_14 q16.prompts={long_pair}",
        "give q16.weights=FILE",
        "q16=vit_l_14 q16.prompts={long_pair} q16.weights={clip}",
        FITTED,
    ),
    ("expected sha256", f"{CLIP} q16.prompts_sha256=00", "q16.prompts_sha256=", CLIP, JUDGED),
    (
        "Q16's prompt pair in the cache, found none",
        "q16=vit_l_14 q16.weights={clip} q16.architecture={clip_config}",
        "a pair of your own, q16.prompts=FILE",
        CLIP,
        JUDGED,
    ),
]
