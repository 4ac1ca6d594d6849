"""The weights that the field uses: where each comes from, what its file must be, and under which licence it stands."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["detector", "landmarks", "recogniser", "converter", "swapper", "mask", "enhancer"]
Commercial = Literal["yes", "no", "unknown"]
Licence = Literal["any", "permissive"]
ROLES: tuple[Role, ...] = ("detector", "landmarks", "recogniser", "converter", "swapper", "mask", "enhancer")


@dataclass(frozen=True, slots=True)
class Weights:
    """One network's weights.

    family: how they are run; see models.families.  licence: SPDX or a name; unknown where nobody says.
    commercial: whether the licence allows commercial use.  sha256: "" where it is not known for certain.
    size: bytes, None where it is not known.  urls: mirrors of the same bytes, tried in order; none: the file has to be brought.
    also: file names beside NAME.onnx under which other tools have it.  editions: sha256 of other exports of the same network.
    needs: weights without which these do nothing.
    """

    name: str
    role: Role
    family: str
    licence: str
    commercial: Commercial
    note: str
    sha256: str = ""
    size: int | None = None
    urls: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    editions: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The file names that they go by, our own first."""
        return (f"{self.name}.onnx", *self.also)

    @property
    def hashes(self) -> tuple[str, ...]:
        """Every sha256 that their file may have; empty where none is known."""
        return (*((self.sha256,) if self.sha256 else ()), *self.editions)


def find(name: str) -> Weights | None:
    """The row of a name, whichever way its words are joined (bisenet-resnet34 is bisenet_resnet_34); None for an unknown one."""
    return next((row for row in TABLE if _plain(row.name) == _plain(name)), None)


def by_hash(sha256: str) -> Weights | None:
    """The row whose file has this sha256; None where nobody's is known to have it."""
    return next((row for row in TABLE if sha256 in row.hashes), None)


def near(name: str, more: tuple[str, ...] = ()) -> list[str]:
    """Up to three names of the table, or of `more`, that somebody may have meant."""
    names = {_plain(known): known for known in (*(row.name for row in TABLE), *more)}
    return [names[match] for match in difflib.get_close_matches(_plain(name), names, 3, 0.6)]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_HUB = "https://huggingface.co"
_GIT = "https://github.com"
_OPENCV = "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models"
_BUFFALO = f"{_HUB}/public-data/insightface/resolve/33c1063c49c785b7652d3fd529f86fa4f149392b/models/buffalo_l"
_SMALL = f"{_HUB}/deepghs/insightface/resolve/4e1f33d3fe0e50a0945f3a53ab94ae8977ae7ddb/buffalo_s"
_UNIFACE = f"{_GIT}/yakhyo/uniface/releases/download/weights"
_PARSING = f"{_GIT}/yakhyo/face-parsing/releases/download/weights"
_LIVE = f"{_HUB}/hacksider/deep-live-cam/resolve/581e70b61240b7928404c17900437f47cfe94133"
_REACTOR = f"{_HUB}/datasets/Gourieff/ReActor/resolve/main/models"
_YUNET, _SFACE = "face_detection_yunet_2023mar.onnx", "face_recognition_sface_2021dec.onnx"
_RFB = "Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB/0f9ca4a9fc80170fd505168fd1132b837141f7df"
_NO = "Non-Commercial"
_ARCFACE = ("arcface_w600k_r50",)
_GFPGAN = "blurred faces; its licence also names parts under NVIDIA's and CC non-commercial terms"


def _fusion(release: str, *files: str) -> tuple[str, ...]:
    """FaceFusion's two mirrors of a file."""
    ends = (f"{_GIT}/facefusion/facefusion-assets/releases/download/models-", f"{_HUB}/facefusion/models-")
    return tuple(f"{ends[0]}{release}/{file}" for file in files) + tuple(f"{ends[1]}{release}/resolve/main/{file}" for file in files)


def _rope(release: str, file: str) -> tuple[str, ...]:
    """A file of Rope, and of VisoMaster after it."""
    return (
        f"{_GIT}/visomaster/visomaster-assets/releases/download/v0.1.0/{file}",
        f"{_GIT}/Alucard24/rope-assets/releases/download/v{release}/{file}",
    )


# fmt: off
# A sha256 stands here where the publisher says it of its own file, or where projects that have nothing to do with one another
# agree on it.  One other's word is not enough: there are invented ones in circulation.
TABLE: tuple[Weights, ...] = (
    Weights("yunet", "detector", "yunet", "MIT", "yes", "small and fast; faces of about 10 to 300 px",
            "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4", 232589,
            (f"{_OPENCV}/face_detection_yunet/{_YUNET}",
             f"{_HUB}/opencv/face_detection_yunet/resolve/3cc26e7f1014a5ee5d74a42acee58bafc9d0a310/{_YUNET}"), (_YUNET,)),
    Weights("det_10g", "detector", "scrfd", _NO, "no", "InsightFace's detector of buffalo_l, called RetinaFace-10g elsewhere",
            "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91", 16923827,
            (f"{_BUFFALO}/det_10g.onnx", f"{_UNIFACE}/scrfd_10g_kps.onnx", *_rope("1.0.8", "det_10g.onnx")), ("scrfd_10g_bnkps.onnx",)),
    Weights("scrfd_2.5g", "detector", "scrfd", _NO, "no", "a quarter of the work of det_10g",
            "2c07342347cef21a619c49dd5664fb8c09570ae9eda5bff3e385c11eafc45ada", 3295067, _fusion("3.0.0", "scrfd_2.5g.onnx"),
            ("scrfd_2.5g_bnkps.onnx",), ("bc24bb349491481c3ca793cf89306723162c280cb284c5a5e49df3760bf5c2ce",)),
    Weights("det_500m", "detector", "scrfd", _NO, "no", "the smallest SCRFD, of buffalo_s",
            "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a", 2524817,
            (f"{_SMALL}/det_500m.onnx", f"{_UNIFACE}/scrfd_500m_kps.onnx")),
    Weights("yoloface_8n", "detector", "yoloface", "GPL-3.0", "yes", "FaceFusion's default; the file calls itself AGPL-3.0",
            "821cdbb1e65fbbabdde7dd0933f754797a343e56fd962729c61ffcefcd135929", 12659761, _fusion("3.0.0", "yoloface_8n.onnx"),
            editions=("84d5bb985b0ea75fc851d7454483897b1494c71c211759b4fec3a22ac196d206",)),
    Weights("rfb_320", "detector", "rfb", "MIT", "yes", "tiny; finds boxes without points",
            "34cd7e60aeff28744c657de7a3dc64e872d506741de66987f3426f2b79f88017", 1270727,
            (f"https://raw.githubusercontent.com/{_RFB}/models/onnx/version-RFB-320.onnx",), ("version-RFB-320.onnx",)),
    Weights("yolov5face", "detector", "yolov5face", "unknown", "unknown", "DeepFaceLive's: bring YoloV5Face.onnx from its folder"),
    Weights("2d106det", "landmarks", "2d106", _NO, "no", "InsightFace's 106 points, of buffalo_l",
            "f001b856447c413801ef5c42091ed0cd516fcd21f2d6b79635b1e733a7109dbf", 5030888,
            (f"{_BUFFALO}/2d106det.onnx", f"{_UNIFACE}/2d106det.onnx", *_rope("1.0.8", "2d106det.onnx"))),
    Weights("1k3d68", "landmarks", "1k3d68", _NO, "no", "InsightFace's 68 points in space, of buffalo_l",
            "df5c06b8a0c12e422b2ed8947b8869faa4105387f199c477af038aa01f9a45cc", 143607619,
            (f"{_BUFFALO}/1k3d68.onnx", *_rope("1.0.3", "1k3d68.onnx"))),
    Weights("2dfan4", "landmarks", "2dfan4", "MIT", "yes", "68 points and how sure they are; precise and slow",
            "678c6fa539d52335a31c980feefdf4a6e02d781d83dce00af8a894f114557285", 97904803, _fusion("3.0.0", "2dfan4.onnx"),
            editions=("1ceedb108439c7d7b3f92cfa2b25bdc69a1f5f6c8b41da228cb283ca98d4181d",)),
    Weights("peppa_wutz", "landmarks", "peppa_wutz", "Apache-2.0", "yes", "68 points, faster than 2dfan4",
            urls=_fusion("3.0.0", "peppa_wutz.onnx")),
    Weights("arcface_w600k_r50", "recogniser", "arcface", _NO, "no", "who a source is, to most swappers; of buffalo_l",
            "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43", 174383860,
            (f"{_BUFFALO}/w600k_r50.onnx", f"{_UNIFACE}/w600k_r50.onnx", *_rope("1.0.8", "w600k_r50.onnx")), ("w600k_r50.onnx",),
            ("f1f79dc3b0b79a69f94799af1fffebff09fbd78fd96a275fd8f0cbbea23270d1",)),
    Weights("arcface_w600k_mbf", "recogniser", "arcface", _NO, "no", "a small ArcFace, of buffalo_s; no swapper learned with it",
            "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f", 13616099,
            (f"{_SMALL}/w600k_mbf.onnx", f"{_UNIFACE}/w600k_mbf.onnx"), ("w600k_mbf.onnx",)),
    Weights("sface", "recogniser", "sface", "Apache-2.0", "yes", "compares faces; no swapper learned with it",
            "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79", 38696353,
            (f"{_OPENCV}/face_recognition_sface/{_SFACE}",
             f"{_HUB}/opencv/face_recognition_sface/resolve/3d7082438a6e4551e840c9b2bb60b71e8da4b524/{_SFACE}"), (_SFACE,)),
    *(Weights(f"crossface_{name}", "converter", "converter", "unknown", "unknown", f"from ArcFace to what {name} learned with",
              size=22083800, urls=_fusion("3.4.0", f"crossface_{name}.onnx")) for name in ("ghost", "simswap", "hififace")),
    Weights("inswapper_128", "swapper", "inswapper_128", _NO, "no", "what every tool runs",
            "e4a3f08c753cb72d04e10aa0f7dbe3deebbf39567d4ead6dce08e98aa49e16af", 554253681,
            (f"{_LIVE}/inswapper_128.onnx",
             f"{_HUB}/ezioruan/inswapper_128.onnx/resolve/6ffdf0e83c5996cc425e77b59913fc48d79441be/inswapper_128.onnx"),
            editions=("a290273ed497312095dac48cdef20feec9d5208298223dd01288ab202b54bea7",), needs=_ARCFACE),
    Weights("inswapper_128_fp16", "swapper", "inswapper_128", _NO, "no", "the same in half the bytes",
            "6d51a9278a1f650cffefc18ba53f38bf2769bf4bbff89267822cf72945f8a38b", 277680638,
            (f"{_LIVE}/inswapper_128_fp16.onnx", *_rope("1.0.8", "inswapper_128.fp16.onnx")), ("inswapper_128.fp16.onnx",),
            ("c4eccca86ad177586c85c28bf1a64a9d9ed237e283a15818d831f7facfd3f420",), _ARCFACE),
    Weights("reswapper_128", "swapper", "inswapper_128", "AGPL-3.0", "unknown", "learned from what inswapper makes",
            urls=(f"{_REACTOR}/reswapper_128.onnx",), needs=_ARCFACE),
    Weights("reswapper_256", "swapper", "reswapper_256", "AGPL-3.0", "unknown", "learned from what inswapper makes",
            urls=(f"{_REACTOR}/reswapper_256.onnx",), needs=_ARCFACE),
    *(Weights(f"instyleswapper_256_{letter}", "swapper", "instyleswapper_256", "unknown", "unknown", "VisoMaster's",
              sha256, urls=_rope("", name)[:1], also=(name,), needs=_ARCFACE)
      for letter, name, sha256 in (
          ("a", "InStyleSwapper256_Version_A.fp16.onnx", "0e0ef024b935abca69fd367a385200ed46b83a3cc618287ffe89440e2cc646da"),
          ("b", "InStyleSwapper256_Version_B.fp16.onnx", "0870b6c75eaea239bdd72b6c6d0910cb285310736e356c17a2cd67a961738116"),
          ("c", "InStyleSwapper256_Version_C.fp16.onnx", "6eaefc04cfb1461222ab72a814ad5b5673ab1af4267f7eb9054e308797567cde"))),
    Weights("simswap_256", "swapper", "simswap_256", _NO, "no", "FaceFusion's export",
            size=220368724, urls=_fusion("3.0.0", "simswap_256.onnx"), needs=(*_ARCFACE, "crossface_simswap")),
    Weights("simswap_512", "swapper", "simswap_512", _NO, "no", "512 px in one run; Rope's export",
            "08c6ca9c0a65eff119bea42686a4574337141de304b9d26e2f9d11e78d9e8e86", 239249146, _rope("1.0.3", "simswap_512_unoff.onnx"),
            ("simswap_512_unoff.onnx",), needs=(*_ARCFACE, "crossface_simswap")),
    Weights("simswap_unofficial_512", "swapper", "simswap_512", _NO, "no", "512 px in one run; FaceFusion's export",
            size=239249034, urls=_fusion("3.0.0", "simswap_unofficial_512.onnx"), needs=(*_ARCFACE, "crossface_simswap")),
    *(Weights(f"ghost_{blocks}", "swapper", "ghost_256", "Apache-2.0", "yes", f"GHOST {blocks}; Rope's export", sha256,
              urls=_rope("1.0.4", f"ghost_unet_{blocks}_block.onnx"), also=(f"ghost_unet_{blocks}_block.onnx",),
              needs=(*_ARCFACE, "crossface_ghost"))
      for blocks, sha256 in ((1, "304a86bccb325e7fcf5ab4f4f84ba5172e319bccc9de15d299bb436746e2e024"),
                             (2, "25b72c107aabe27fc65ac5bf5377e58eda0929872d4dd3de5d5a9edefc49fa9f"),
                             (3, "f471d4f322903da2bca360aa0d7ab9922e3b0001d683f825ca6b15d865382935"))),
    *(Weights(f"ghost_{blocks}_256", "swapper", "ghost_256", "Apache-2.0", "yes", f"GHOST {blocks}; FaceFusion's export",
              urls=_fusion("3.0.0", f"ghost_{blocks}_256.onnx"), needs=(*_ARCFACE, "crossface_ghost")) for blocks in (1, 2, 3)),
    Weights("hififace_unofficial_256", "swapper", "hififace_256", "unknown", "unknown", "takes over more of the face's outline",
            size=203784742, urls=_fusion("3.1.0", "hififace_unofficial_256.onnx"), needs=(*_ARCFACE, "crossface_hififace")),
    *(Weights(f"hyperswap_{letter}_256", "swapper", "hyperswap_256", "ResearchRAIL", "no", "FaceFusion's own", sha256, 402742682,
              _fusion("3.3.0", f"hyperswap_{letter}_256.onnx"), needs=_ARCFACE)
      for letter, sha256 in (("1a", "c0e98a8a03a238f461ed3d2570e426b49f46745ee400854a60dceeb70c246add"),
                             ("1b", "5124031789c42f71b9558fb71954ef7aedb6da7ed9fac79293e23c61a792a73e"),
                             ("1c", "5528c2d76fe9986c99d829278987ef9f3a630cb606db7628d02b57b330f406a5"))),
    Weights("blendswap_256", "swapper", "blendswap_256", _NO, "no", "its source is a picture; large",
            size=1661432957, urls=_fusion("3.0.0", "blendswap_256.onnx")),
    Weights("uniface_256", "swapper", "uniface_256", "unknown", "unknown", "its source is a picture",
            size=406964143, urls=_fusion("3.0.0", "uniface_256.onnx")),
    Weights("dfm", "swapper", "dfm", "unknown", "unknown", "one person each, made with DeepFaceLab: bring your own .dfm"),
    *(Weights(f"xseg_{number}", "mask", "xseg", "GPL-3.0", "yes", note, sha256, size, _fusion(release, f"xseg_{number}.onnx"))
      for number, release, size, note, sha256 in (
          (1, "3.1.0", 70324286, "hands and things before the face; takes beards and glasses for such, too",
           "c4d1498b8a03b5fe2a3a5d2ef2a0402ab03bd51edaf5b2d8d5fb764702a97dd3"),
          (2, "3.1.0", 70324286, "hands and things before the face", "cd9a0879eaf43841d765472cf1f8c330dbf9dcb03da0eace93e95f3bcc399042"),
          (3, "3.2.0", 70327709, "hands and things before the face", "48ccd7e8541e159a5a754ec9e62df2f12065f7df8f9af842c1750342c6533559"))),
    Weights("xseg_nchw", "mask", "xseg_nchw", "GPL-3.0", "yes", "XSeg as Rope exports it",
            "4381395dcbec1eef469fa71cfb381f00ac8aadc3e5decb4c29c36b6eb1f38ad9", urls=_rope("1.0.8", "XSeg_model.onnx"),
            also=("XSeg_model.onnx",)),
    Weights("occluder", "mask", "occluder", "unknown", "unknown", "hands and things before the face",
            "79f5c2edf10b83458693d122dd51488b210fb80c059c5d56347a047710d44a78", urls=_rope("1.0.8", "occluder.onnx")),
    Weights("bisenet_resnet_18", "mask", "bisenet", "MIT", "yes", "the parts of a face; learned from CelebAMask-HQ",
            "0d9bd318e46987c3bdbfacae9e2c0f461cae1c6ac6ea6d43bbe541a91727e33f", 53205364, (f"{_PARSING}/resnet18.onnx",),
            editions=("2218b6183c26ca5c83303232d682a536c670c13ea9695f716c777d1f244eefe9",)),
    Weights("bisenet_resnet_34", "mask", "bisenet", "MIT", "yes", "the parts of a face; learned from CelebAMask-HQ",
            "5b805bba7b5660ab7070b5a381dcf75e5b3e04199f1e9387232a77a00095102e", 93632554,
            (f"{_PARSING}/resnet34.onnx", *_rope("1.0.8", "faceparser_resnet34.onnx")), ("faceparser_resnet34.onnx",),
            ("4a0b8c958a3c938913bd06a8365dbb3c8761afba6ecbf0d14b3b1f77eb230c96",)),
    Weights("gfpgan_1.2", "enhancer", "gfpgan", "Apache-2.0", "unknown", _GFPGAN, urls=_fusion("3.0.0", "gfpgan_1.2.onnx")),
    Weights("gfpgan_1.3", "enhancer", "gfpgan", "Apache-2.0", "unknown", _GFPGAN, urls=_fusion("3.0.0", "gfpgan_1.3.onnx")),
    Weights("gfpgan_1.4", "enhancer", "gfpgan", "Apache-2.0", "unknown", _GFPGAN,
            "accc4757b26bdb89b32b4d3500d4f79c9dff97c1dd7c7104bf9dcb95e3311385", 340299087, _fusion("3.0.0", "gfpgan_1.4.onnx"),
            ("GFPGANv1.4.onnx",), ("6548e54cbcf248af385248f0c1193b359c37a0f98b836282b09cf48af4fd2b73",)),
    Weights("gfpgan_1024", "enhancer", "gfpgan_1024", "unknown", "unknown", "blurred faces; a larger GFPGAN",
            "ee8dd6415e388b3a410689d5d9395a2bf50b5973b588421ebfa57bc266f19e24", 365875079,
            (f"{_GIT}/Glat0s/GFPGAN-1024-onnx/releases/download/v0.0.1/gfpgan-1024.onnx", f"{_LIVE}/gfpgan-1024.onnx"),
            ("gfpgan-1024.onnx",)),
    Weights("gpen_bfr_256", "enhancer", "gpen_256", _NO, "no", "the fastest enhancer",
            "bad8bf0426873828df2dbf4e3b3d9ababba9da7965b8b72426569486f7ae5c25", 75792988, _fusion("3.0.0", "gpen_bfr_256.onnx"),
            ("GPEN-BFR-256.onnx",), ("aa5bd3ab238640a378c59e4a560f7a7150627944cf2129e6311ae4720e833271",)),
    Weights("gpen_bfr_512", "enhancer", "gpen_512", _NO, "no", "blurred faces",
            "d5f066b9068a8b74217f9712e28e875a6144629b108a6f7355acbdb3a2832c54", 284340240, _fusion("3.0.0", "gpen_bfr_512.onnx"),
            ("GPEN-BFR-512.onnx",), ("0960f836488735444d508b588e44fb5dfd19c68fde9163ad7878aa24d1d5115e",
                                     "bf80acb8e91ba8852e3f012505be2c3b6cd6b3eed5ec605e3db87863c4e74d4e")),
    Weights("gpen_bfr_1024", "enhancer", "gpen_1024", _NO, "no", "blurred faces",
            "bcd31aa52110a2005efc96abbab4546d57e42482648f08715b552423d96b381b", 285203703, _fusion("3.0.0", "gpen_bfr_1024.onnx"),
            ("GPEN-BFR-1024.onnx",), ("cec8892093d7b99828acde97bf231fb0964d3fb11b43f3b0951e36ef1e192a3e",)),
    Weights("gpen_bfr_2048", "enhancer", "gpen_2048", _NO, "no", "blurred faces",
            "d0229ff43f979c360bd19daa9cd0ce893722d59f41a41822b9223ebbe4f89b3e", urls=_rope("1.0.8", "GPEN-BFR-2048.onnx"),
            also=("GPEN-BFR-2048.onnx",)),
    Weights("codeformer", "enhancer", "codeformer", "S-Lab-1.0", "no", "blurred faces; may be told how true to stay",
            "21710e7ab61c82683576c428e9c1b6fe1ed419586b7b39e394c3449c294b550f", 376951650, _fusion("3.0.0", "codeformer.onnx")),
    Weights("restoreformer_plus_plus", "enhancer", "restoreformer_plus_plus", "Apache-2.0", "yes", "blurred faces",
            "f4db5a89902b6a2d452446f5721245a6f7185f699b6aec7b77285adb4d504337", 294264812,
            (f"{_HUB}/CountFloyd/deepfake/resolve/main/restoreformer_plus_plus.onnx",), ("RestoreFormerPlusPlus.fp16.onnx",),
            ("e5df99ed4f501be2009ed8e708f407dd26ac400c55a43a01d8c8c157bc475b3f",)),
)
# fmt: on

__all__ = ["Commercial", "Licence", "ROLES", "Role", "TABLE", "Weights", "by_hash", "find", "near"]
