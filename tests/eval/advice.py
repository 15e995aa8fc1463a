"""What the harness refuses, what the refusal says to type, and what is typed then.

Each trial: a part of "MODULE: SENTENCE" as the source has it, what is typed, the advice as it stands in the sentence,
what is given for the FILE or … in it (`sentences.as_told`; behind > the whole of what is typed then), and how far that
comes; {…} are files of `test_advice`, and a first word in capitals is another command than the run.
"""

IMAGES = "model=images q16=demo"
CHECKED = "checked"  # accepted once its files are looked for, which are published weights
ONE_METHOD = "prompts.rows=[0,1] protocol.steps=1 methods=[baseline] sheet=false"  # as some of `advice_files.runs`
LOADED = "loaded"  # accepted once loading begins
READ = "read"  # accepted once the pictures of a folder would be read
ENDS = "ends"  # accepted with exit code 0


TRIALS = [
    ("out must be the run directory", "out=", "out=runs/NAME", "", LOADED),
    ("shard.index must be from", "shard.index=2 shard.count=2", "shard.count=…", "3", LOADED),
    (
        "prompts=none must go with model=images",
        "prompts=none q16=demo",
        "model=images model.path=FOLDER",
        "{flat}",
        LOADED,
    ),
    (
        "the numbers must come from one source",
        "POWER share=0.35 prompts.path={list}",
        "leave prompts.path= and what belongs to it out",
        "",
        ENDS,
    ),
    ("must go with an assumed share", "POWER alike=0.5", "add share=0.35", "", ENDS),
    (
        "must go with a plan without pilot",
        "POWER pilot={pilot} correlation_noise=0.5",
        "leave correlation_noise= out",
        "",
        ENDS,
    ),
    (
        "must have published percentages",
        "POWER prompts.path={list}",
        "leave prompts.path= out and assume share=0.35",
        "",
        ENDS,
    ),
    (
        "the pilot must have two methods or more",
        "POWER pilot={pilot} difference=5",
        "leave difference= out",
        "",
        ENDS,
    ),
    ("images must be 1 with a pilot", "POWER pilot={pilot} images=10", "images=1", "", ENDS),
    (
        "compared prompt by prompt",
        "COMPARE {run} {judged}",
        "paired=false",
        "",
        ENDS,
    ),
    (
        "margin must be a number of percentage points",
        "COMPARE {run} {seeds} paired=false margin=wide",
        "margin=2",
        "",
        ENDS,
    ),
    (
        "are called methods and against now",
        "COMPARE {run} {weak} method_a=baseline method_b=sld_weak",
        "give methods=[X,Y]",
        "> COMPARE {run} {weak} methods=[baseline,sld_weak] against=weak",
        ENDS,
    ),
    (
        "the label set must be",
        "protocol.label_set=none",
        "protocol.label_set=NAME",
        "erasure-benchmark",
        LOADED,
    ),
    (
        "must hold pictures of rows of the prompts",
        f"{IMAGES} model.path={{beyond}} prompts=demo",
        "prompts=i2p prompts.path=FILE",
        "{list}",
        LOADED,
    ),
    (
        "must hold pictures of one layout",
        f"{IMAGES} model.path={{two_layouts}} prompts=demo",
        "model.layout=…",
        "row",
        LOADED,
    ),
    (
        "must be a folder with prompts=none",
        f"prompts=none {IMAGES} model.path={{tables}}/a.csv",
        "model.path={tables}",
        "",
        LOADED,
    ),
    (
        "must hold pictures that are PNG",
        f"prompts=none {IMAGES} model.path={{empty}}",
        "model.path=FOLDER",
        "{flat}",
        LOADED,
    ),
    *(
        (
            "must hold the same names in each subfolder",
            f"prompts=none {IMAGES} model.path={{uneven}}",
            f"model.layout={layout}",
            "",
            LOADED,
        )
        for layout in ("methods", "pictures")
    ),
    (
        "found a table of other prompts",
        f"{IMAGES} model.path={{numbered}} prompts=demo",
        "prompts=i2p prompts.path=FILE",
        "{list}",
        LOADED,
    ),
    (
        "found a table of other prompts",
        f"{IMAGES} model.path={{numbered}} prompts=demo",
        "rename its column of rows to unused_row",
        f"> {IMAGES} model.path={{unused_row}} prompts=demo",
        LOADED,
    ),
    (
        "choose the prompts that GenEval was given",
        f"{IMAGES} model.path={{geneval}} prompts=demo",
        "prompts=i2p prompts.path=FILE",
        "{list}",
        LOADED,
    ),
    (
        "must hold one table with",
        f"{IMAGES} model.path={{tables}}",
        "model.path=FILE",
        "{tables}/a.csv",
        LOADED,
    ),
    (
        "must hold a table with …, found none",
        f"{IMAGES} model.path={{flat}} model.layout=csv",
        "model.path=FILE",
        "{tables}/a.csv",
        LOADED,
    ),
    ("must hold the run of these settings", "protocol.steps=2 out={run}", "set out= to a new folder", "new", LOADED),
    (
        "must be given all that its run holds",
        f"{ONE_METHOD} judges=[q16] prompts.rows=[0] out={{run}}",
        "set out= to a new folder",
        "new",
        LOADED,
    ),
    (
        "must be given all that its run holds",
        f"{ONE_METHOD} judges=[q16] prompts.rows=[0] out={{run}}",
        "prompts.rows=[0,1]",
        "",
        LOADED,
    ),
    (
        "must have kept every picture that",
        f"{ONE_METHOD} judges=[q16,nudenet] out={{run}}",
        "verify=true",
        "",
        LOADED,
    ),
    (
        "must hold every picture as it was judged",
        f"{ONE_METHOD} judges=[q16,nudenet] out={{kept}}",
        "verify=true",
        "",
        "drawn",
    ),
    ("found a link to nothing", "out={linked}", "or set out=", "new", LOADED),
    ("must be a readable manifest", "out={unread}", "set out= to a new folder", "new", LOADED),
    ("must be a manifest of format", "out={format}", "set out= to a new folder", "new", LOADED),
    ("must be a manifest that this version knows", "out={later}", "set out= to a new folder", "new", LOADED),
    ("must be as it was written", "out={changed}", "set out= to a new folder", "new", LOADED),
    ("must be the manifest after", "out={astray}", "set out= to a new folder", "new", LOADED),
    ("must have all parts of a manifest", "out={lacking}", "set out= to a new folder", "new", LOADED),
    (
        "must have a prompt with a guidance scale above 1",
        "protocol.guidance_scale=1 methods=[sld_max]",
        "protocol.guidance_scale=7.5",
        "",
        LOADED,
    ),
    (
        "must have a prompt with a guidance scale above 1",
        "protocol.guidance_scale=1 methods=[sld_max]",
        "methods=[baseline]",
        "",
        LOADED,
    ),
    (
        "must hold the pictures that were judged",
        f"prompts=none judges=[q16] {IMAGES} model.path={{judged_pictures}} out={{judged}}",
        "set out= to a new folder",
        "new",
        READ,
    ),
    ("--resolve must go with --cfg", "--resolve", "add --cfg job", "> --resolve --cfg job", ENDS),
    ("must be a name, or with -m several", "prompts=a:b", "give prompts=NAME", "demo", LOADED),
    ("which can't (…): set out=", "out=/proc/run", "set out= to another place", "new", LOADED),
    (
        "SLURM's … must be on the PATH",
        "SUBMIT slurm.time=1:0:0 PATH={empty}",
        "dry_run=true",
        "",
        ENDS,
    ),
    (
        "must accept job arrays",
        "SUBMIT slurm.time=1:0:0 shard.count=3 PATH={no_arrays}:/usr/bin:/bin",
        "without slurm.*, with shard.count=3 shard.index=0 up to 2",
        "> shard.count=3 shard.index=0",
        LOADED,
    ),
    (
        "nothing is queued, since",
        "SUBMIT slurm.time=1:0:0 PATH={refusing}:/usr/bin:/bin",
        "dry_run=true prints the commands",
        "",
        ENDS,
    ),
    (
        "must be a path without a backslash",
        r"SUBMIT slurm.time=1:0:0 dry_run=true out='a\b'",
        "another out=…",
        "ab",
        ENDS,
    ),
    ("slurm must be a mapping", "SUBMIT slurm=1", "submit --help`", "> SUBMIT --help", ENDS),
    (
        "a command must have RUN first",
        "REPORT margin=2 {run}",
        "report RUN margin=2`",
        "> REPORT {run} margin=2",
        ENDS,
    ),
    (
        "gpus must be a number",
        "SUBMIT dry_run=true slurm.time=1:0:0 slurm.gpus=-1",
        "slurm.gpus=1",
        "",
        ENDS,
    ),
    (
        "gpus must be a number",
        "SUBMIT slurm.gpus=-1",
        "or slurm.gpus=a100:1",
        "> SUBMIT dry_run=true slurm.time=1:0:0 slurm.gpus=a100:1",
        ENDS,
    ),
    (
        "must be a time limit of sbatch",
        "SUBMIT dry_run=true slurm.time=soon",
        "slurm.time=04:00:00",
        "",
        ENDS,
    ),
    ("which would have no effect (only …", "quality.lpips=vgg", "leave quality.lpips= out", "", LOADED),
    ("which would have no effect (only …", "quality.lpips=vgg", "quality=[lpips]", "", CHECKED),
    *(
        (sentence, f"quality=kid_clip quality.reference={{{path}}}", advice, "{judged_pictures}", LOADED)
        for sentence, path, advice in (
            ("an .npz file, found nothing at", "none", "quality.reference=PATH"),
            ("of two pictures or more, found", "flat", "quality.reference=PATH"),
            ("found the run directory", "kept", "quality.reference=FOLDER"),
        )
    ),
    ("images must be all with", "judges=[nudenet] quality=clip_score images=none", "images=all", "", LOADED),
    (
        "images must be all with",
        "judges=[nudenet] quality=clip_score images=none",
        "quality=…",
        "[]",
        LOADED,
    ),
    (
        "must be a list in brackets",
        "methods=baseline,sld_max",
        "methods=[baseline,sld_max]",
        "",
        LOADED,
    ),
]
