"""Records of environments, as a run directory has them: two versions of torch, and without and with a GPU."""

OLD = {"versions": {"python": "3.11.7", "torch": "2.15.0"}, "platform": "Linux-6.1"}
NEW = {"versions": {"python": "3.11.7", "torch": "99.0"}, "platform": "Linux-6.1"}
CPU = {**OLD, "gpu": {"name": "none"}, "judges": {"q16": "cpu", "nudenet": "CPUExecutionProvider"}}
GPU = {
    **OLD,
    "gpu": {"name": "H100", "driver": "570.1", "cuda": "12.8", "cudnn": "91002"},
    "judges": {"q16": "cuda", "nudenet": "CPUExecutionProvider"},
}
