"""What the data set itself shows: no images, broken files, captions that are missing, images smaller than they are trained at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from loramon.advice.conditions import is_on
from loramon.check.buckets import batches, bucket_sizes, images_per_bucket
from loramon.check.dataset import Folder
from loramon.check.notice import Notice
from loramon.check.plan import Plan, Where
from loramon.redact import redact
from loramon.text import sanitise

_SHOWN = 3
_KOHYA_DATA = (
    "kohya-ss/sd-scripts train_network.py:575 (No data found: train_data_dir must be the parent of folders with images), library/config_util.py:608"
)
_CAPTIONS = (
    "kohya-ss/sd-scripts library/train_util.py:2071 (No caption file found … Training will continue without captions), "
    "add_dataset_arguments (--caption_extension, default .caption)"
)


def dataset_findings(plan: Plan, settings: Mapping[str, object], folders: list[Folder]) -> Iterator[Notice]:
    """What is to be said of the folders that are at hand."""
    for folder in folders:
        if folder.found:
            yield from _of_folder(plan, folder)
    yield from _sizes(plan, settings, [f for f in folders if f.found and not f.is_regularisation])


def amounts_of(plan: Plan, settings: Mapping[str, object], folders: list[Folder]) -> dict[str, int]:
    """`images`, `images_with_repeats` of an epoch and, where they can be told, its `batches`; empty where no folder is at hand.

    sd-scripts repeats regularisation images until they are as many as the others (library/train_util.py:2172), and fills
    a batch from one bucket only.
    """
    own = [f for f in folders if not f.is_regularisation]
    if not any(f.found for f in own):
        return {}
    repeated = sum(f.n_images * f.repeats for f in own)
    doubled = 2 if plan.trainer == "kohya" and any(f.is_regularisation and f.n_images for f in folders) else 1
    found = {"images": sum(f.n_images for f in own), "images_with_repeats": repeated * doubled}
    groups = {(f.batch_size, f.resolution) for f in own if f.n_images}
    if plan.trainer != "kohya" or doubled > 1 or not is_on(settings.get("bucketing")) or len(groups) != 1 or _keeps_small(plan):
        return found
    (batch_size, size), *_ = groups
    if batch_size and size and all(len(f.sizes()) == f.n_images for f in own):
        counts: Counter[tuple[int, int]] = Counter()
        for folder in own:
            for bucket, n in images_per_bucket(folder.sizes(), buckets_of(plan, size)).items():
                counts[bucket] += n * folder.repeats
        found["batches"] = batches(counts, batch_size)
    return found


def _of_folder(plan: Plan, folder: Folder) -> Iterator[Notice]:
    places = [folder.where] if folder.where is not None else []
    name = redact(sanitise(folder.name))
    if folder.is_regularisation and (folder.n_images == 0 or folder.parent == "parent"):
        return  # sd-scripts goes on without them (library/train_util.py:2162, no regularization images)
    if folder.n_images == 0 and folder.n_videos == 0:
        if folder.n_nested and plan.trainer not in ("kohya", "diffusers", "musubi"):
            return
        one_too_high = plan.trainer == "kohya" and folder.parent == "parent"
        says = _NO_REPEAT_FOLDERS if one_too_high and folder.n_nested else _NO_IMAGES
        yield Notice("no-images", "critical", says, places, "documented", _KOHYA_DATA, rule="no-images", numbers={"path": name})
        return
    if plan.trainer == "kohya" and folder.parent == "parent":
        yield Notice("no-images", "critical", _NO_REPEAT_FOLDERS, places, "documented", _KOHYA_DATA, rule="no-repeat-folders", numbers={"path": name})
        return
    broken = folder.broken()
    if broken:
        shown = ", ".join(redact(sanitise(n, 80)) for n, _ in islice(broken, _SHOWN))
        numbers = {"n": len(broken), "path": name, "files": shown}
        yield Notice("bad-dataset", "warning", _BROKEN, places, "measured", "headers of the files themselves", rule="broken-images", numbers=numbers)
    if folder.caption_suffix is not None and folder.n_without_caption and not folder.is_regularisation:
        yield _captions(folder, places, name)


def _captions(folder: Folder, places: list[Where], name: str) -> Notice:
    numbers = {"n": folder.n_without_caption, "images": folder.n_images, "path": name, "suffix": folder.caption_suffix}
    if folder.other_captions is not None:
        numbers["other"] = folder.other_captions
        change = ("caption_extension", folder.other_captions)
        return Notice("setting-captions", "warning", _OTHER_SUFFIX, places, "documented", _CAPTIONS, rule="captions-elsewhere", numbers=numbers, change=change)
    says = _SOME_CAPTIONS if folder.n_without_caption < folder.n_images else _NO_CAPTIONS
    return Notice("setting-captions", "note", says, places, "documented", _CAPTIONS, rule="captions-missing", numbers=numbers)


def _sizes(plan: Plan, settings: Mapping[str, object], folders: list[Folder]) -> Iterator[Notice]:
    for folder in folders:
        size = folder.resolution
        sizes = folder.sizes()
        if size is None or not sizes:
            continue
        places = [w for w in (folder.where, plan.where("resolution")) if w is not None]
        small = sum(w * h < size[0] * size[1] for w, h in sizes)
        if small and not _keeps_small(plan):
            numbers = {"n": small, "images": len(sizes), "path": redact(sanitise(folder.name)), "size": f"{size[0]} × {size[1]}"}
            source = "kohya-ss/sd-scripts library/train_util.py BucketManager.select_bucket (images are enlarged unless bucket_no_upscale)"
            yield Notice("setting-resolution", "note", _SMALL, places, "measured", source, rule="small-images", numbers=numbers)
        if plan.trainer == "kohya" and folder.batch_size and folder.batch_size > 1 and is_on(settings.get("bucketing")) and not _keeps_small(plan):
            yield from _buckets(plan, folder, sizes, size)


def _keeps_small(plan: Plan) -> bool:
    said = plan.said("--bucket_no_upscale")
    return said is not None and is_on(said.value)


def _buckets(plan: Plan, folder: Folder, sizes: list[tuple[int, int]], size: tuple[int, int]) -> Iterator[Notice]:
    assert folder.batch_size is not None
    counts = images_per_bucket(sizes, buckets_of(plan, size))
    thin = sum(n * folder.repeats < folder.batch_size for n in counts.values())
    if thin:
        numbers = {"n": thin, "buckets": len(counts), "batch_size": folder.batch_size}
        source = "kohya-ss/sd-scripts library/train_util.py make_buckets (a batch holds images of one bucket only)"
        places = [folder.where] if folder.where is not None else []
        yield Notice("setting-buckets", "note", _THIN, places, "measured", source, rule="thin-buckets", numbers=numbers)


def buckets_of(plan: Plan, size: tuple[int, int]) -> list[tuple[int, int]]:
    """sd-scripts' buckets for this plan."""

    def number(key: str, default: int) -> int:
        said = plan.said(key)
        try:
            return int(str(said.value)) if said is not None else default
        except ValueError:
            return default

    step = max(1, number("--bucket_reso_steps", 64))
    largest = max(number("--max_bucket_reso", 1024), *size)
    return bucket_sizes(size, min(number("--min_bucket_reso", 256), *size), largest, step)


_NO_IMAGES = {"en": "There is no image in {path}.", "ja": "{path}に画像がありません。"}
_NO_REPEAT_FOLDERS = {
    "en": "{path} has no folder with a name like 10_sks: kohya looks for images only in such folders, the number is the repeats.",
    "ja": "{path}の中に「10_sks」のような名前のフォルダがありません。kohyaはそのフォルダの中の画像だけを使います（数字は繰り返し回数）。",
}
_BROKEN = {
    "en": "{n} file(s) in {path} are no whole images: {files}.",
    "ja": "{path}の{n}個のファイルは画像として完全ではありません：{files}。",
}
_OTHER_SUFFIX = {
    "en": "The trainer looks for captions in {suffix} files, but they lie in {other} files: it would train without captions.",
    "ja": "学習ツールは{suffix}のキャプションを探しますが、実際は{other}です。このままではキャプションなしで学習します。",
}
_SOME_CAPTIONS = {
    "en": "{n} of {images} images in {path} have no {suffix} caption and are trained without one.",
    "ja": "{path}の{images}枚のうち{n}枚に{suffix}のキャプションがなく、キャプションなしで学習されます。",
}
_NO_CAPTIONS = {
    "en": "No image in {path} has a {suffix} caption; the folder's or the data set's own words are used, if there are any.",
    "ja": "{path}の画像には{suffix}のキャプションがありません。フォルダ名やデータセットの設定に言葉があれば、それが使われます。",
}
_SMALL = {
    "en": "{n} of {images} images are smaller than {size} and will be enlarged: soft pictures are learned as they are.",
    "ja": "{images}枚のうち{n}枚は{size}より小さく、拡大されます。ぼやけた絵のまま学習されます。",
}
_THIN = {
    "en": "{n} of {buckets} buckets hold fewer images than a batch of {batch_size}, so their batches are smaller.",
    "ja": "{buckets}個のbucketのうち{n}個は、バッチサイズ{batch_size}より画像が少なく、バッチが小さくなります。",
}
