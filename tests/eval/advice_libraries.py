"""What is refused of prompts and models; trials as in `advice`, and the sentences that none can try."""

TINY = "model=checkpoint prompts=demo q16=demo model.path={model}"
ONE = "model=checkpoint prompts=demo q16=demo model.path={one}"
DRAWN = "drawn"  # accepted once model and judges are loaded and the first picture is drawn
LOADED = "loaded"  # accepted once loading begins
FETCHED = "fetched"  # accepted once weights would be fetched from the hub
WEIGHED = "weighed"  # accepted once the header of the weights is settled, which are not of this size here

TRIALS = [
    ("take them out of rows=", "prompts.rows=[1,999]", "take them out of prompts.rows=", "[1]", LOADED),
    ("lower it, sample=", "prompts.sample=100", "prompts.sample=63", "", LOADED),
    (
        "correct toxicity_min=",
        "prompts.toxicity_min=0.5 prompts.toxicity_below=0.1 prompts=i2p prompts.path={list}",
        "prompts.toxicity_min= or prompts.toxicity_below=",
        "0.05 0.5",
        LOADED,
    ),
    ("raise it, as in sample=1", "prompts.sample=0", "prompts.sample=1", "", LOADED),
    ("correct rows=", "prompts.rows=3-1", "prompts.rows=", "1-3", LOADED),
    ("leave categories= out", "prompts.categories=[hat]", "leave prompts.categories= out", "", LOADED),
    (
        "must have one revision",
        "prompts=i2p prompts.source=a/b@1 prompts.revision=2",
        "leave prompts.revision= out",
        "",
        FETCHED,
    ),
    (
        "connect once to fetch it",
        "prompts=i2p prompts.source=a/b",
        "prompts.path=FILE",
        "{list}",
        LOADED,
    ),
    (
        "give path=FILE, one inside",
        "prompts=i2p prompts.path={empty}",
        "prompts.path=FILE",
        "{list}",
        LOADED,
    ),
    (
        "found nothing there: correct path=",
        "prompts=i2p prompts.path={none}",
        "prompts.path=FILE",
        "{list}",
        LOADED,
    ),
    ("give device=cpu", "device=gpu", "device=cpu", "", DRAWN),
    ("correct unet=PATH", f"{TINY} model.unet={{none}}", "model.unet=PATH", "{unet}", DRAWN),
    (
        "one of several shards",
        f"{TINY} model.unet={{shards}}/diffusion_pytorch_model-00001-of-00002.safetensors",
        "model.unet={shards}",
        "",
        DRAWN,
    ),
    (
        "found a pickle",
        "model=checkpoint prompts=demo q16=demo model.path={pickle}",
        "model.allow_pickle=true",
        "",
        DRAWN,
    ),
    (
        "correct source=PATH",
        "model=checkpoint prompts=demo q16=demo model.path={none}",
        "model.path=PATH",
        "{model}",
        DRAWN,
    ),
    (
        "config and prediction_type must go with",
        f"{TINY} model.config={{model}}",
        "leave model.config= and model.prediction_type= out",
        "",
        DRAWN,
    ),
    (
        "found no model_index.json in",
        f"{ONE} model.config={{empty}}",
        "model.config=FOLDER",
        "{model}",
        DRAWN,
    ),
    (
        "give a local folder, source=",
        "model=checkpoint prompts=demo q16=demo model.path=no/such",
        "model.path=FOLDER",
        "{model}",
        DRAWN,
    ),
    (
        "as … in the file says, found",
        "model=checkpoint prompts=demo q16=demo model.path={marked} model.prediction_type=epsilon",
        "leave model.prediction_type= out",
        "",
        WEIGHED,
    ),
    (
        "must be v_prediction for a file marked",
        "model=checkpoint prompts=demo q16=demo model.path={zero}",
        "model.prediction_type=v_prediction",
        "",
        WEIGHED,
    ),
    (
        "either config or prediction_type",
        f"{ONE} model.config={{model}} model.prediction_type=epsilon",
        "leave model.prediction_type= out",
        "",
        DRAWN,
    ),
    (
        "epsilon or v_prediction, found",
        f"{ONE} model.prediction_type=v",
        "model.prediction_type=epsilon",
        "",
        WEIGHED,
    ),
    (
        "for SD 2.x, whose files do not say",
        "model=checkpoint prompts=demo q16=demo model.path={second}",
        "model.prediction_type=epsilon",
        "",
        WEIGHED,
    ),
    ("correct scheduler=NAME", "protocol.scheduler=dim", "protocol.scheduler=NAME", "ddim", DRAWN),
    (
        "with a model that was trained with betas",
        "model=checkpoint prompts=demo q16=demo model.path={without_betas} protocol.scheduler=ddim",
        "leave protocol.scheduler= out",
        "",
        DRAWN,
    ),
    (
        "the scheduler must suit a model of zero terminal SNR",
        "model=checkpoint prompts=demo q16=demo model.path={zero_folder} protocol.scheduler=pndm",
        "protocol.scheduler=ddim",
        "",
        DRAWN,
    ),
    ("leave …= out, or choose a source", "prompts.hard=true", "leave prompts.hard= out", "", LOADED),
    (
        "leaves none of",
        "prompts=i2p prompts.path={list} prompts.toxicity_min=0.95",
        "loosen prompts.toxicity_min=",
        "0.5",
        LOADED,
    ),
    (
        "can represent, found values",
        "model=checkpoint prompts=demo q16=demo model.path={large} dtype=float16",
        "dtype=float32",
        "",
        DRAWN,
    ),
    ("weights_check.py: … must hold …, found …: …", ONE, "model.config=FOLDER", "{model}", DRAWN),
    (
        "in the original layout, found no",
        "model=checkpoint prompts=demo q16=demo model.path={unet}/diffusion_pytorch_model.safetensors",
        "give it as model.unet=FILE beside its base",
        f"> {TINY} model.unet={{unet}}/diffusion_pytorch_model.safetensors",
        DRAWN,
    ),
]

# Sentences that no trial here can have raised, and why, or which test tries them.
EXCEPTIONS = {
    "found none: give some": "test_multirun has the refusal, and runs jobs of several values",
    "in the hub's cache or … be reachable": "the hub has to be out: its words are those of the trial with it offline",
    "must be readable from …, found": "the hub has to fail: its words are those of the trial with it offline",
    "found the HTTP status …": "the pair's server has to fail: its words are those of the trial with it offline",
    "found no connection": "as above",
    "found other bytes": "as above",
    "on the hub, found none: download them": "no tag of open_clip's is without the hub now; the key is tried above",
    "found that onnxruntime fell back": "needs a GPU without its libraries: test_nudenet has the fallback",
    "must not be in SLURM's queue already": "needs a cluster with a queue: test_slurm types the scancel that it names",
    "found one that does not fit it": "whatever does not fit is found by the header before; the key is tried above",
    "that torch.compile can take": "needs a machine without a compiler: test_tuning",
    "(it is not among judges)": "needs a package with a judge: test_plugins types what it says",
}
