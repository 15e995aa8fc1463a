"""What is refused of prompts, models and judges; trials as in `advice`, and the sentences that none can try."""

TINY = "model=checkpoint prompts=demo q16=demo model.path={model}"
ONE = "model=checkpoint prompts=demo q16=demo model.path={one}"
CLIP = "q16=vit_l_14 q16.architecture={clip_config} q16.weights={clip} q16.prompts={pair}"
NUDENET = "judges=[nudenet] methods=[baseline]"
DRAWN = "drawn"  # accepted once model and judges are loaded and the first picture is drawn
LOADED = "loaded"  # accepted once loading begins
FETCHED = "fetched"  # accepted once weights would be fetched from the hub
WEIGHED = "weighed"  # accepted once the header of the weights is settled, which are not of this size here
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
    ("take them out of rows=", "prompts.rows=[1,999]", "take them out of prompts.rows=", "prompts.rows=[1]", LOADED),
    ("lower it, sample=", "prompts.sample=100", "prompts.sample=63", "prompts.sample=63", LOADED),
    (
        "correct toxicity_min=",
        "prompts.toxicity_min=0.5 prompts.toxicity_below=0.1 prompts=i2p prompts.path={list}",
        "prompts.toxicity_min= or prompts.toxicity_below=",
        "prompts.toxicity_min=0.05 prompts.toxicity_below=0.5 prompts=i2p prompts.path={list}",
        LOADED,
    ),
    ("raise it, as in sample=1", "prompts.sample=0", "prompts.sample=1", "prompts.sample=1", LOADED),
    ("correct rows=", "prompts.rows=3-1", "prompts.rows=", "prompts.rows=1-3", LOADED),
    ("leave categories= out", "prompts.categories=[hat]", "leave prompts.categories= out", "", LOADED),
    (
        "expected one revision",
        "prompts=i2p prompts.source=a/b@1 prompts.revision=2",
        "leave prompts.revision= out",
        "prompts=i2p prompts.source=a/b@1",
        FETCHED,
    ),
    (
        "connect once to fetch it",
        "prompts=i2p prompts.source=a/b",
        "prompts.path=FILE",
        "prompts=i2p prompts.path={list}",
        LOADED,
    ),
    (
        "give path=FILE, one inside",
        "prompts=i2p prompts.path={empty}",
        "prompts.path=FILE",
        "prompts=i2p prompts.path={list}",
        LOADED,
    ),
    (
        "found nothing there; correct path=",
        "prompts=i2p prompts.path={none}",
        "prompts.path=FILE",
        "prompts=i2p prompts.path={list}",
        LOADED,
    ),
    ("give device=cpu", "device=gpu", "device=cpu", "device=cpu", DRAWN),
    ("correct unet=PATH", "model.unet={none}", "model.unet=PATH", f"{TINY} model.unet={{unet}}", DRAWN),
    (
        "one of several shards",
        f"{TINY} model.unet={{shards}}/diffusion_pytorch_model-00001-of-00002.safetensors",
        "model.unet={shards}",
        f"{TINY} model.unet={{shards}}",
        DRAWN,
    ),
    (
        "found a pickle",
        "model=checkpoint prompts=demo q16=demo model.path={pickle}",
        "model.allow_pickle=true",
        "model=checkpoint prompts=demo q16=demo model.path={pickle} model.allow_pickle=true",
        DRAWN,
    ),
    ("correct source=PATH", "model=checkpoint prompts=demo q16=demo model.path={none}", "model.path=PATH", TINY, DRAWN),
    (
        "config and prediction_type go with",
        f"{TINY} model.config={{model}}",
        "leave model.config= and model.prediction_type= out",
        TINY,
        DRAWN,
    ),
    (
        "found no model_index.json in",
        f"{ONE} model.config={{empty}}",
        "model.config=FOLDER",
        f"{ONE} model.config={{model}}",
        DRAWN,
    ),
    (
        "give a local folder, source=",
        "model=checkpoint prompts=demo q16=demo model.path=no/such",
        "model.path=FOLDER",
        TINY,
        DRAWN,
    ),
    (
        "as … in the file says, found",
        "model=checkpoint prompts=demo q16=demo model.path={marked} model.prediction_type=epsilon",
        "leave model.prediction_type= out",
        "model=checkpoint prompts=demo q16=demo model.path={marked}",
        WEIGHED,
    ),
    (
        "v-prediction was expected of a file marked",
        "model=checkpoint prompts=demo q16=demo model.path={zero}",
        "model.prediction_type=v_prediction",
        "model=checkpoint prompts=demo q16=demo model.path={zero} model.prediction_type=v_prediction",
        WEIGHED,
    ),
    (
        "Either config or prediction_type",
        f"{ONE} model.config={{model}} model.prediction_type=epsilon",
        "leave model.prediction_type= out",
        f"{ONE} model.config={{model}}",
        DRAWN,
    ),
    (
        "epsilon or v_prediction, found",
        f"{ONE} model.prediction_type=v",
        "model.prediction_type=epsilon",
        f"{ONE} model.prediction_type=epsilon",
        WEIGHED,
    ),
    (
        "for SD 2.x, whose files do not say",
        "model=checkpoint prompts=demo q16=demo model.path={second}",
        "model.prediction_type=epsilon",
        "model=checkpoint prompts=demo q16=demo model.path={second} model.prediction_type=epsilon",
        WEIGHED,
    ),
    ("correct scheduler=NAME", "protocol.scheduler=dim", "protocol.scheduler=NAME", "protocol.scheduler=ddim", DRAWN),
    (
        "A model that was trained with betas",
        "model=checkpoint prompts=demo q16=demo model.path={without_betas} protocol.scheduler=ddim",
        "leave protocol.scheduler= out",
        "model=checkpoint prompts=demo q16=demo model.path={without_betas}",
        DRAWN,
    ),
    (
        "A scheduler for a model of zero terminal SNR",
        "model=checkpoint prompts=demo q16=demo model.path={zero_folder} protocol.scheduler=pndm",
        "protocol.scheduler=ddim",
        "model=checkpoint prompts=demo q16=demo model.path={zero_folder} protocol.scheduler=ddim",
        DRAWN,
    ),
]

# Sentences that no trial here can have raised, and why, or which test tries them.
EXCEPTIONS = {
    "could not be written (": "needs a full disk: test_files and test_faults fill one and run again",
    "found no such file: say allow_pickle": "needs a model on the hub; the key is tried with a file",
    "on the hub, found none: download them": "no tag of open_clip's is without the hub now; the key is tried above",
    "found that onnxruntime fell back": "needs a GPU without its libraries: test_nudenet has the fallback",
    "is in SLURM's queue already": "needs a cluster with a queue: test_slurm types the scancel that it names",
    "the data set has changed": "needs the hub",
    "found a cached version that cannot be told": "needs the hub's cache of another version",
    "(in a copy of the set": "needs a set of the hub's that is wrong",
    "download the file and give it": "needs a CSV of the hub's",
    "found one that does not fit it": "whatever does not fit is found by the header before; the key is tried above",
    "that torch.compile can take": "needs a machine without a compiler: test_tuning",
}
