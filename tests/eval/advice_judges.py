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
        "{clip_config}",
        JUDGED,
    ),
    ("correct weights=FILE", f"{CLIP} q16.weights={{none}}.bin", "q16.weights=FILE", "{clip}", JUDGED),
    (
        "a pickle can run code",
        f"{CLIP} q16.weights={{clip_pickle}}",
        "q16.allow_pickle=true",
        "",
        JUDGED,
    ),
    (
        "weights must be a file with the config",
        f"{CLIP} q16.weights=openai",
        "q16.weights=FILE",
        "{clip}",
        JUDGED,
    ),
    (
        "CLIP weights must have open_clip's names",
        "q16=vit_l_14 q16.architecture=ViT-L-14-quickgelu q16.weights={clip_transformers} q16.prompts={long_pair}",
        "q16.weights=openai",
        "",
        FETCHED,
    ),
    (
        "CLIP weights must have open_clip's names",
        f"{CLIP} q16.weights={{clip_transformers}}",
        "q16.weights=FILE",
        "{clip}",
        JUDGED,
    ),
    (
        "weights must be trained with the activation",
        "q16=vit_l_14 q16.architecture=ViT-L-14 q16.weights=openai q16.prompts={long_pair}",
        "q16.architecture=ViT-L-14-quickgelu",
        "",
        FETCHED,
    ),
    (
        "execution providers must be of",
        f"{NUDENET} nudenet.providers=[CUDA]",
        "nudenet.providers=[CPUExecutionProvider]",
        "",
        JUDGED,
    ),
    (
        "leave prompts= out for the published pair",
        f"{CLIP} q16.prompts={{none}}.p",
        "q16.prompts=FILE",
        "{pair}",
        JUDGED,
    ),
    (
        "leave prompts= out for the published pair",
        "q16=vit_l_14 q16.prompts={none}.p",
        "leave q16.prompts= out",
        "",
        LOADED,
    ),
    *(
        (
            "the published prompt pair must go with",
            "q16=vit_l_14 q16.architecture=ViT-L-14 q16.weights={clip} q16.prompts={published}",
            advice,
            file,
            FITTED,
        )
        for advice, file in (
            ("q16.architecture=ViT-L-14-quickgelu", ""),
            ("q16.prompts=FILE", "{long_pair}"),
        )
    ),
    ("the prompt pair must have length", f"{CLIP} q16.prompts={{long_pair}}", "q16.prompts=FILE", "{pair}", JUDGED),
    (
        "found a file that can't be loaded into it",
        f"{CLIP} q16.architecture={{other_config}}",
        "q16.architecture=NAME",
        "{clip_config}",
        JUDGED,
    ),
    (
        "or the path of a config JSON",
        "q16=vit_l_14 q16.architecture=ViT-L-41-quickgelu q16.prompts={long_pair}",
        "as in q16.architecture=ViT-L-14-quickgelu",
        "",
        FETCHED,
    ),
    (
        "weights must be a file or a tag",
        "q16=vit_l_14 q16.weights=openia q16.prompts={long_pair}",
        "as in q16.weights=openai",
        "",
        FETCHED,
    ),
    (
        "… must be in the hub's cache, found none while",
        "q16=vit_l_14 q16.prompts={long_pair}",
        "give q16.weights=FILE",
        "{clip}",
        FITTED,
    ),
    ("the prompt pair must have sha256", f"{CLIP} q16.prompts_sha256=00", "q16.prompts_sha256=…", "", JUDGED),
    (
        "Q16's prompt pair must be in the cache, found none",
        "q16=vit_l_14 q16.weights={clip} q16.architecture={clip_config}",
        "a pair of your own, q16.prompts=FILE",
        "{pair}",
        JUDGED,
    ),
]
