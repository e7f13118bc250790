import io
import itertools
import os
import re
import resource
import shutil
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import pytest

from parley.config.schema import read_schema
from parley.core.errors import ParleyError
from parley.dataset.class_set import ImageClass
from parley.dataset.fetch.images import LocalFiles
from parley.dataset.listing import ParseIssue, image_key
from parley.dataset.sources import KINDS, SourceOptions, base, open_source

SCHEMA = read_schema(Path(__file__).parents[3] / "workflow/schemas/config.schema.yaml")
LION = ImageClass("lion", "n02129165", "in")
HEN = ImageClass("hen", "n01514859", "in")
OWN = ImageClass("my cat", "", "in", description="a cat")


def write_files(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))


def write_tar(path, *names):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name in names:
            header = tarfile.TarInfo(name)
            header.size = 1
            tar.addfile(header, io.BytesIO(b"x"))


def urls_of(listing):
    return {name: list(urls) for name, urls in listing.urls.items()}


def test_an_unknown_kind_is_reported_with_the_known_ones():
    with pytest.raises(ParleyError, match=f"'ftp'; the kinds are {', '.join(sorted(KINDS))}"):
        open_source(SourceOptions("ftp"))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_reports_missing_settings(kind):
    findings = open_source(SourceOptions(kind)).check([LION])
    assert findings
    # The bundled world has no settings that could be missing, but no lion.
    assert any("There is no creature called lion" in finding for finding in findings) == (kind == "world")
    assert all(finding.endswith(".") for finding in findings)


def test_every_kind_that_a_config_may_name_has_a_class_with_a_label():
    kinds = set(SCHEMA["properties"]["source"]["properties"]["kind"]["enum"])
    assert set(KINDS) == kinds - {"features"}
    assert len({kind.label for kind in KINDS.values()}) == len(KINDS)


class TestFolder:
    def test_images_at_any_depth_come_sorted_and_by_suffix(self, tmp_path):
        write_files(
            tmp_path,
            *("lion/b.JPG", "lion/a.png", "lion/deep/er/c.webp", "lion/notes.txt", "lion/._a.png", "lion/.git/d.jpg"),
            *("n01514859/x.tiff", "other/y.jpg"),
        )
        listing = open_source(SourceOptions("folder", root=tmp_path)).listing([LION, HEN], None)
        assert urls_of(listing) == {
            "lion": ["lion/a.png", "lion/b.JPG", "lion/deep/er/c.webp"],
            "hen": ["n01514859/x.tiff"],
        }
        assert not listing.issues

    def test_the_order_is_that_of_the_paths_and_links_to_folders_are_not_followed(self, tmp_path):
        write_files(
            tmp_path, *(f"lion/{name}.jpg" for name in ("a b", "a/c", "a-", "a/b/z", "a.b/y", "Z", "ä", "a/bb"))
        )
        write_files(tmp_path, "other/x.jpg")
        (tmp_path / "lion/linked").symlink_to(tmp_path / "other")
        (tmp_path / "lion/linked.jpg").symlink_to(tmp_path / "other/x.jpg")
        (urls,) = urls_of(open_source(SourceOptions("folder", root=tmp_path)).listing([LION], None)).values()
        found = [path.relative_to(tmp_path) for path in (tmp_path / "lion").rglob("*.jpg")]
        assert urls == [path.as_posix() for path in sorted(found) if path.parent.name != "linked"]
        assert len(urls) == 9

    def test_links_to_nothing_and_to_themselves_are_listed_and_counted(self, tmp_path):
        write_files(tmp_path, "lion/a.jpg")
        (tmp_path / "lion/b.jpg").symlink_to("nothing")
        (tmp_path / "lion/c.jpg").symlink_to("c.jpg")
        source = open_source(SourceOptions("folder", root=tmp_path))
        assert len(source.digest([LION])) == 64
        assert urls_of(source.listing([LION], None)) == {"lion": ["lion/a.jpg", "lion/b.jpg", "lion/c.jpg"]}
        files = LocalFiles(tmp_path, 99)
        assert files.get("lion/b.jpg").error == "missing"
        assert files.get("lion/c.jpg").error == "missing"

    @pytest.mark.parametrize(("kind", "suffix"), [("folder", ""), ("tars", ".tar")])
    @pytest.mark.parametrize("form", ["NFC", "NFD"])
    def test_a_name_is_found_in_either_unicode_form(self, tmp_path, kind, suffix, form):
        name = unicodedata.normalize(form, "b\u00e4r") + suffix
        write_tar(tmp_path / name, "a.jpg") if suffix else write_files(tmp_path, f"{name}/a.jpg")
        source = open_source(SourceOptions(kind, root=tmp_path))
        for of_class in ("NFC", "NFD"):
            bear = ImageClass(unicodedata.normalize(of_class, "b\u00e4r"), "", "in", description="a bear")
            assert source.check([bear]) == []
            (address,) = source.listing([bear], None).urls[bear.name]
            assert LocalFiles(tmp_path, 99).get(address).body

    def test_a_file_instead_of_a_folder_is_reported(self, tmp_path):
        write_files(tmp_path, "lion")
        with pytest.raises(ParleyError, match="lion cannot be read as a folder"):
            open_source(SourceOptions("folder", root=tmp_path)).listing([LION], None)

    def test_classes_with_no_folder_or_two_are_reported(self, tmp_path):
        write_files(tmp_path, "lion/a.jpg", "n02129165/a.jpg")
        findings = open_source(SourceOptions("folder", root=tmp_path)).check([LION, HEN, OWN])
        assert len(findings) == 3
        assert "'lion' has two folders" in findings[0]
        assert "'hen' has no folder hen or n01514859" in findings[1]
        assert "'my cat' has no folder my cat in" in findings[2]

    def test_a_root_that_is_not_a_folder_is_reported(self, tmp_path):
        (finding,) = open_source(SourceOptions("folder", root=tmp_path / "none")).check([LION])
        assert "is not a folder" in finding

    def test_file_names_that_do_not_fit_a_table_are_counted(self, tmp_path):
        write_files(tmp_path, "lion/a.jpg", "lion/tab\there.jpg", "lion/line\nbreak.jpg", os.fsdecode(b"lion/\xff.jpg"))
        listing = open_source(SourceOptions("folder", root=tmp_path)).listing([LION], None)
        assert urls_of(listing) == {"lion": ["lion/a.jpg"]}
        assert listing.issues == {ParseIssue.BAD_ADDRESS: 3}

    def test_the_digest_depends_on_the_wanted_classes_files_only(self, tmp_path):
        write_files(tmp_path, "lion/a.jpg", "hen/a.jpg")
        source = open_source(SourceOptions("folder", root=tmp_path))
        before = source.digest([LION])
        write_files(tmp_path, "hen/b.jpg")
        assert source.digest([LION]) == before
        write_files(tmp_path, "lion/b.jpg")
        changed = source.digest([LION])
        assert changed != before
        os.utime(tmp_path / "lion/b.jpg", (1, 1))
        assert source.digest([LION]) != changed

    def test_the_digest_does_not_depend_on_the_root(self, tmp_path):
        for root in ("one", "two"):
            write_files(tmp_path / root, "lion/a.jpg")
            os.utime(tmp_path / root / "lion/a.jpg", (1, 1))
        one, two = (open_source(SourceOptions("folder", root=tmp_path / root)) for root in ("one", "two"))
        assert one.digest([LION]) == two.digest([LION])

    @pytest.mark.parametrize("name", ["bee", "n01"])
    def test_a_link_to_nothing_or_to_itself_is_named(self, tmp_path, name):
        tmp_path.joinpath(name).symlink_to(name)
        (finding,) = open_source(SourceOptions("folder", root=tmp_path)).check([ImageClass("bee", "n01", "in")])
        assert finding == f"Class 'bee': {tmp_path}/{name} is a broken link to {name}; correct or remove it."

    @pytest.mark.parametrize(("kind", "name"), [("folder", "LION"), ("folder", "Lion"), ("tars", "LION.TAR")])
    def test_suggestions_ignore_case(self, tmp_path, kind, name):
        write_files(tmp_path, f"{name}/a.jpg")
        (finding,) = open_source(SourceOptions(kind, root=tmp_path)).check([LION])
        assert f"(did you mean {name}?)" in finding


ELSEWHERE = "../elsewhere/lion"


@pytest.mark.parametrize(
    ("kind", "file", "link", "target"),
    [
        ("folder", "lion/a.jpg", "lion/a.jpg", f"../{ELSEWHERE}/a.jpg"),
        ("folder", "lion/a.jpg", "lion", ELSEWHERE),
        ("folder", "lion/b/a.jpg", "lion", ELSEWHERE),
        ("folder", "lion/a.jpg", "lion/a.jpg", "../lion/a.jpg"),
        ("folder", "lion/a.jpg", "lion/a.jpg", "nothing"),
        ("tars", "lion.tar", "lion.tar", "../elsewhere/lion.tar"),
        ("manifest", "lion/a.jpg", "lion/a.jpg", f"../{ELSEWHERE}/a.jpg"),
        ("manifest", "lion/a.jpg", "lion", ELSEWHERE),
        ("manifest", "lion/a.jpg", "lion/a.jpg", "nothing"),
        ("manifest", "lion/a.jpg", "", ""),
        ("manifest", "lion.tar", "lion.tar", "../elsewhere/lion.tar"),
        ("manifest", "lion.tar", "", ""),
    ],
)
def test_images_that_cannot_be_read_are_another_set_than_the_same_ones_that_can(tmp_path, kind, file, link, target):
    """The links lead to files of the same size and time, once out of the root and once within it."""
    address = f"{file}!a.jpg" if kind == "manifest" and file.endswith(".tar") else file
    (tmp_path / "table.tsv").write_text(f"class\tpath\nlion\t{address}\nhen\thttp://a/1.jpg\n")
    digests, hens = [], []
    for folder in ("root", "elsewhere"):
        write_tar(tmp_path / folder / file, "a.jpg")
        os.utime(tmp_path / folder / file, (1, 1))
    options = SourceOptions(
        kind, root=tmp_path / "root", manifest=tmp_path / "table.tsv" if kind == "manifest" else None
    )
    for is_read in (True, False, True):
        path = tmp_path / "root" / (link or file)
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        if is_read:
            shutil.copytree(tmp_path / "elsewhere", tmp_path / "root", dirs_exist_ok=True)
        elif link:
            path.symlink_to(target)
        assert (LocalFiles(tmp_path / "root", 1 << 20).get(address).error is None) == is_read
        digests.append(open_source(options).digest([LION]))
        hens.append(open_source(options).digest([HEN]))
    assert digests[0] == digests[2] != digests[1]
    assert hens[0] == hens[1] == hens[2]


@pytest.mark.parametrize("file", ["lion/a.jpg", "lion/b/a.jpg"])
def test_links_within_the_root_are_as_good_as_files(tmp_path, file):
    write_files(tmp_path, f"one/{file}", f"two/kept/{file}")
    (tmp_path / "two/lion").symlink_to("kept/lion")
    write_files(tmp_path, "three/kept.jpg", f"three/{file}")
    (tmp_path / "three" / file).unlink()
    (tmp_path / "three" / file).symlink_to(tmp_path / "three/kept.jpg")
    for path in (f"one/{file}", f"two/kept/{file}", "three/kept.jpg"):
        (tmp_path / path).write_text("same")
        os.utime(tmp_path / path, (1, 1))
    roots = [tmp_path / name for name in ("one", "two", "three")]
    assert len({open_source(SourceOptions("folder", root=root)).digest([LION]) for root in roots}) == 1


class TestTars:
    def test_image_members_come_sorted(self, tmp_path):
        write_tar(tmp_path / "n02129165.tar", "n02129165_9.JPEG", "n02129165_10.JPEG", "readme.txt")
        write_tar(tmp_path / "hen.tar", "deep/a.png")
        source = open_source(SourceOptions("tars", root=tmp_path))
        assert source.check([LION, HEN]) == []
        assert urls_of(source.listing([LION, HEN], None)) == {
            "lion": ["n02129165.tar!n02129165_10.JPEG", "n02129165.tar!n02129165_9.JPEG"],
            "hen": ["hen.tar!deep/a.png"],
        }

    def test_missing_and_damaged_tars_are_reported(self, tmp_path):
        (tmp_path / "hen.tar").write_bytes(b"no tar")
        source = open_source(SourceOptions("tars", root=tmp_path))
        (finding,) = source.check([LION, HEN])
        assert "'lion' has no tar lion.tar or n02129165.tar" in finding
        with pytest.raises(ParleyError, match=r"hen.tar is not a complete tar"):
            source.listing([HEN], None)

    def test_the_digest_depends_on_size_and_time(self, tmp_path):
        write_tar(tmp_path / "hen.tar", "a.png")
        source = open_source(SourceOptions("tars", root=tmp_path))
        before = source.digest([HEN])
        assert source.digest([HEN]) == before
        os.utime(tmp_path / "hen.tar", (1, 1))
        assert source.digest([HEN]) != before


class TestTarOfTars:
    def test_its_images_have_the_addresses_of_a_folder_of_tars(self, tmp_path):
        for name, images in (("n02129165", ["b.JPEG", "a.JPEG", "notes.txt"]), ("hen", ["deep/a.png"])):
            write_tar(tmp_path / f"tars/{name}.tar", *images)
        with tarfile.open(tmp_path / "all.tar", "w") as tar:
            tar.add(tmp_path / "tars/n02129165.tar", "train/n02129165.tar")
            tar.add(tmp_path / "tars/hen.tar", "train/hen.tar")
        folder, whole = (open_source(SourceOptions("tars", root=tmp_path / root)) for root in ("tars", "all.tar"))
        assert whole.check([LION, HEN]) == []
        assert whole.listing([LION, HEN], None).urls == folder.listing([LION, HEN], None).urls
        files = LocalFiles(whole.provide([LION]), 10)
        assert files.get("hen.tar!deep/a.png").body == files.get("n02129165.tar!b.JPEG").body == b"x"
        assert files.get("hen.tar!b.JPEG").error == files.get("none.tar!b.JPEG").error == "missing"
        (finding,) = whole.check([LION, OWN])
        assert "Class 'my cat' has no tar my cat.tar in" in finding

    def test_two_tars_of_one_name_are_reported(self, tmp_path):
        write_tar(tmp_path / "hen.tar", "a.png")
        with tarfile.open(tmp_path / "all.tar", "w") as tar:
            tar.add(tmp_path / "hen.tar", "train/hen.tar")
            tar.add(tmp_path / "hen.tar", "val/hen.tar")
        with pytest.raises(ParleyError, match=r"all.tar .*\(it has both train/hen.tar and val/hen.tar\)"):
            open_source(SourceOptions("tars", root=tmp_path / "all.tar")).check([HEN])

    def test_damage_inside_and_outside_is_reported(self, tmp_path):
        write_tar(tmp_path / "hen.tar", *(f"{number}.png" for number in range(99)))
        (tmp_path / "n02129165.tar").write_bytes((tmp_path / "hen.tar").read_bytes()[:5000])
        with tarfile.open(tmp_path / "all.tar", "w") as tar:
            tar.add(tmp_path / "n02129165.tar", "n02129165.tar")
            tar.add(tmp_path / "hen.tar", "hen.tar")
        source = open_source(SourceOptions("tars", root=tmp_path / "all.tar"))
        assert len(source.listing([HEN], None).urls["hen"]) == 99
        with pytest.raises(ParleyError, match=r"n02129165.tar is not a complete"):
            source.listing([LION], None)
        os.truncate(tmp_path / "all.tar", 9000)
        with pytest.raises(ParleyError, match=r"all.tar is not a complete"):
            open_source(SourceOptions("tars", root=tmp_path / "all.tar")).listing([HEN], None)


class TestTarsByAddress:
    @pytest.fixture
    def source(self, tmp_path, monkeypatch):
        """A source of which only the second mirror answers, from a folder; `asked` has the locations tried."""
        write_tar(tmp_path / "web/n02129165.tar", "n02129165_2.JPEG", "n02129165_1.JPEG")
        write_tar(tmp_path / "web/my%20cat.tar", "a.png")
        asked = []

        def download(locations, destination, *_, **__):
            asked.append(locations)
            destination.parent.mkdir(parents=True, exist_ok=True)
            for location in locations:
                path = tmp_path / "web" / location.rpartition("/")[2]
                if location.startswith("http://page/"):
                    destination.write_text("<html>Log in")
                    return location
                if location.startswith("http://a/") and path.is_file():
                    shutil.copyfile(path, destination)
                    return location
            raise ParleyError(f"No location gave the file for {destination}.")

        monkeypatch.setattr("parley.dataset.sources.archive.download", download)

        def make(*urls, **options):
            return open_source(SourceOptions("tars", locations=urls, store=tmp_path / "store", **options))

        make.asked = asked
        return make

    def test_tars_are_downloaded_once_and_the_names_in_them_outlive_them(self, source, tmp_path):
        tars = source("http://dead/{wnid}.tar", "http://a/{wnid}.tar")
        assert not tars.listable_before_jobs
        assert tars.check([LION]) == []
        for _ in range(2):
            tars.write_listing([LION], tmp_path / "list.tsv")
            assert tars.listing([LION], tmp_path / "list.tsv").urls == {
                "lion": ["n02129165.tar!n02129165_1.JPEG", "n02129165.tar!n02129165_2.JPEG"]
            }
            tars.release([LION])
            assert not list(tmp_path.glob("store/*/*.tar"))
        assert source.asked == [["http://dead/n02129165.tar", "http://a/n02129165.tar"]]
        files = LocalFiles(tars.provide([LION]), 10, tars.archive_downloader([LION]))
        assert files.get("n02129165.tar!n02129165_1.JPEG").body == b"x"
        assert files.get("n02129165.tar!none.JPEG").error == "missing"
        assert len(source.asked) == 2

    def test_skipped_members_are_logged(self, source, tmp_path, caplog):
        write_tar(tmp_path / "web/n02129165.tar", "a.JPEG", "b.db", "._a.JPEG")
        with caplog.at_level("INFO"):
            source("http://a/{wnid}.tar").write_listing([LION], tmp_path / "list.tsv")
        assert "format: 1 text (n02129165.tar!b.db), 1 hidden (n02129165.tar!._a.JPEG)." in caplog.text

    def test_html_page_falls_through_to_next_mirror(self, source, tmp_path):
        tars = source("http://page/{wnid}.tar", "http://a/{wnid}.tar")
        assert len(list(tars.entries([LION]))) == 2
        with pytest.raises(ParleyError) as error:
            list(source("http://page/x/{wnid}.tar").entries([LION]))
        assert "Class 'lion': http://page/x/n02129165.tar gave no tar" in str(error.value)
        told = "it is an HTML page, such as a login or error page); check the address, and whether it needs a login."
        assert told in str(error.value)
        assert not list(tmp_path.glob("store/*/*.download"))

    def test_a_damaged_tar_is_downloaded_again(self, source, tmp_path):
        path = tmp_path / "web/n02129165.tar"
        whole = path.read_bytes()
        path.write_bytes(whole[:1100])
        with pytest.raises(ParleyError, match=r"Class 'lion': http://a/.* gave no tar \(damaged"):
            list(source("http://a/{wnid}.tar", keep=True).entries([LION]))
        path.write_bytes(whole)
        assert len(list(source("http://a/{wnid}.tar").entries([LION]))) == 2

    def test_a_zip_instead_of_a_tar_is_left_for_the_next_mirror(self, source, tmp_path):
        write_files(tmp_path, "web/zip/n02129165.tar")
        with zipfile.ZipFile(tmp_path / "web/n02129165.zip", "w") as archive:
            archive.writestr("a.png", b"x")
        for _ in range(2):
            with pytest.raises(ParleyError, match=r"http://a/n02129165.zip gave no tar \(it is a zip file\); "):
                list(source("http://a/{wnid}.zip").entries([LION]))
        assert not list(tmp_path.glob("store/*/*"))
        assert len(list(source("http://a/{wnid}.zip", "http://a/{wnid}.tar").entries([LION]))) == 2

    def test_a_full_disk_while_names_are_written_keeps_the_download(self, source, tmp_path, small_disk):
        write_tar(tmp_path / "web/n02129165.tar", *(f"{'long' * 20}_{number}.png" for number in range(5000)))
        size = (tmp_path / "web/n02129165.tar").stat().st_size
        small_disk.mount(tmp_path / "store", size + (256 << 10))
        tars = source("http://a/{wnid}.tar", keep=True)
        with pytest.raises(ParleyError, match=r"'lion': .*.tar.tsv cannot be written \(No space left on device\)"):
            list(tars.entries([LION]))
        small_disk.make_room(tmp_path / "store")
        assert len(list(tars.entries([LION]))) == 5000
        assert len(source.asked) == 1

    def test_a_stored_tar_that_was_damaged_is_removed_and_downloaded_again(self, source, tmp_path):
        tars = source("http://a/{wnid}.tar", keep=True)
        path = tars.provide([LION]) / "n02129165.tar"
        tars.archive_downloader([LION])(path.name)
        os.truncate(path, 1100)
        with pytest.raises(ParleyError, match=r"n02129165.tar was damaged \(.*\), and is removed; run again"):
            list(tars.entries([LION]))
        assert len(list(tars.entries([LION]))) == 2

    def test_a_stored_tar_that_cannot_be_opened_is_kept(self, source, tmp_path):
        tars = source("http://a/{wnid}.tar", keep=True)
        path = tars.provide([LION]) / "n02129165.tar"
        tars.archive_downloader([LION])(path.name)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
            with pytest.raises(ParleyError, match="Too many open files"):
                list(tars.entries([LION]))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert len(list(tars.entries([LION]))) == 2
        assert len(source.asked) == 1

    def test_names_that_do_not_fit_a_table_are_counted(self, source, tmp_path):
        write_tar(tmp_path / "web/n02129165.tar", "a.png", "tab\there.png", "line\nbreak.png", os.fsdecode(b"\xff.png"))
        tars = source("http://a/{wnid}.tar")
        tars.write_listing([LION], tmp_path / "list.tsv")
        listing = tars.listing([LION], tmp_path / "list.tsv")
        assert listing.urls == {"lion": ["n02129165.tar!a.png"]}
        assert listing.issues == {ParseIssue.BAD_ADDRESS: 3}

    def test_all_classes_without_a_tar_are_reported_and_the_others_kept(self, source, tmp_path):
        tars = source("http://a/{class}.tar", keep=True)
        with pytest.raises(ParleyError) as error:
            tars.write_listing([HEN, OWN, LION], tmp_path / "list.tsv")
        assert len(error.value.findings) == 2
        assert [one[0] for one in source.asked] == [f"http://a/{name}.tar" for name in ("hen", "my%20cat", "lion")]
        tars.release([OWN])
        assert [path.name for path in tmp_path.glob("store/*/*.tar")] == ["my cat.tar"]

    def test_mirrors_change_no_digest_and_settings_are_checked(self, source):
        one, two = source("http://a/{wnid}.tar"), source("http://a/{wnid}.tar", "http://b/{class}.tar")
        assert one.digest([LION]) == two.digest([LION]) != source("http://b/{wnid}.tar").digest([LION])
        (finding,) = one.check([OWN])
        assert "'my cat' has no wnid" in finding
        assert two.check([OWN]) == []
        (finding,) = source("http://a/all.tar").check([LION])
        assert "must contain either {wnid} or {class}" in finding
        (finding,) = source("ftp://a/{wnid}.tar").check([LION])
        assert "is not an http(s) URL" in finding


class TestManifest:
    def table(self, tmp_path, text):
        (tmp_path / "table.tsv").write_text(text)
        return tmp_path / "table.tsv"

    def test_rows_are_selected_by_class_or_wnid_and_paths_take_precedence(self, tmp_path):
        table = self.table(
            tmp_path,
            "licence\turl\tclass\tpath\n"
            "CC0\thttp://a/1.jpg\tlion\t\n"
            "CC0\thttp://a/2.jpg\tn02129165\tlocal/2.jpg\n"
            "CC0\thttp://a/3.jpg\tyeti\t\n",
        )
        source = open_source(SourceOptions("manifest", manifest=table, root=tmp_path))
        assert source.check([LION, HEN]) == []
        listing = source.listing([LION, HEN], None)
        assert urls_of(listing) == {"lion": ["http://a/1.jpg", "local/2.jpg"], "hen": []}
        assert listing.entries == {"lion": 2}

    @pytest.mark.parametrize("path", ["a\0b/c.jpg", "a/c\0.jpg"])
    def test_a_path_with_a_nul_is_counted(self, tmp_path, path):
        table = self.table(tmp_path, f"class\tpath\nlion\t{path}\n")
        source = open_source(SourceOptions("manifest", manifest=table, root=tmp_path))
        assert source.digest([LION])
        assert source.listing([LION], None).issues == {ParseIssue.BAD_ADDRESS: 1}

    @pytest.mark.parametrize(("of_class", "in_table"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC")])
    def test_a_class_is_found_in_either_unicode_form(self, tmp_path, of_class, in_table):
        bear = ImageClass(unicodedata.normalize(of_class, "b\u00e4r"), "", "in", description="a bear")
        label = unicodedata.normalize(in_table, bear.name)
        table = self.table(tmp_path, f"class\turl\tlicence\n{label}\thttp://a/1.jpg\tCC0\n")
        source = open_source(SourceOptions("manifest", manifest=table))
        assert urls_of(source.listing([bear], None)) == {bear.name: ["http://a/1.jpg"]}
        image = (bear.name, image_key("http://a/1.jpg"))
        assert source.stated([bear], [image]).cells == {image: ("CC0",)}

    def test_issues_are_counted_and_filter_and_size_apply(self, tmp_path):
        rows = ["lion\thttp://a/1.jpg", "lion\thttp://a/1.jpg", "hen\thttp://a/1.jpg", "lion\t", "lion\tftp://a/2.jpg"]
        rows += ["lion\tlocal.jpg", "lion\thttp://b/3.jpg", "lion\thttp://a/4.jpg", "lion\thttp://a/5.jpg"]
        table = self.table(tmp_path, "class\turl\n" + "\n".join(rows) + "\n")
        options = SourceOptions("manifest", manifest=table, filter_url="//a/", class_size=2)
        listing = open_source(options).listing([LION, HEN], None)
        assert urls_of(listing) == {"lion": ["http://a/1.jpg", "http://a/4.jpg"], "hen": []}
        assert listing.issues == {
            ParseIssue.DUPLICATE_URL: 1,
            ParseIssue.TWO_CLASSES: 1,
            ParseIssue.EMPTY_URL: 1,
            ParseIssue.NOT_HTTP: 2,
        }

    def test_missing_columns_root_and_table_are_reported(self, tmp_path):
        for header, told in (
            ("name\taddress", "no column class, url in its first line; it must be .* columns class, and url or path"),
            ("class\taddress", "no column url in its first line"),
            ("class,path", "columns separated by commas, not tabs"),
            ('"class";"url"', "columns separated by semicolons, not tabs"),
            ("Class\tURL", "has 'Class', 'URL' in its first line; write names in lower case"),
        ):
            (finding,) = open_source(SourceOptions("manifest", manifest=self.table(tmp_path, f"{header}\n"))).check(
                [LION]
            )
            assert re.search(told, finding)
        table = self.table(tmp_path, "class\turl\tlicense_path\n")
        assert open_source(SourceOptions("manifest", manifest=table)).check([LION]) == []
        table = self.table(tmp_path, "class\tpath\n")
        (finding,) = open_source(SourceOptions("manifest", manifest=table)).check([LION])
        assert "set source.manifest.local_root" in finding
        (finding,) = open_source(SourceOptions("manifest", manifest=tmp_path / "none.tsv")).check([LION])
        assert "does not exist" in finding

    def test_the_digest_depends_on_the_bytes_and_not_the_time(self, tmp_path):
        table = self.table(tmp_path, "class\turl\nlion\thttp://a/1.jpg\n")
        source = open_source(SourceOptions("manifest", manifest=table))
        before = source.digest([LION])
        os.utime(table, (1, 1))
        assert source.digest([LION]) == before
        self.table(tmp_path, "class\turl\nlion\thttp://a/2.jpg\n")
        assert source.digest([LION]) != before


class TestUrlList:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("", "list is empty"),
            (
                "n02129165_1 http://a/1.jpg\n",
                "no entries for the classes; lines without a tab: 1 of 1. Each line",
            ),
            ("n02129165_1,http://a/1.jpg\n\nn02129165_2,http://a/2.jpg\n", "lines without a tab: 2 of 3"),
            ("http://a/1.jpg\n", "lines without a tab: 1 of 1"),
            ("n02129165_1\t \nn02129165_2\t\n", "lines without a URL: 2 of 2"),
        ],
    )
    def test_lists_in_another_format_are_reported(self, tmp_path, text, told):
        (tmp_path / "list").write_text(text)
        with pytest.raises(ParleyError, match=told):
            open_source(SourceOptions("url_list")).listing([LION], tmp_path / "list")

    def test_single_odd_lines_do_not_explain_a_missing_class(self, tmp_path):
        (tmp_path / "list").write_text("n00000001_1\thttp://a/1.jpg\nn00000001_2\thttp://a/2.jpg\nthe end\n")
        listing = open_source(SourceOptions("url_list")).listing([LION], tmp_path / "list")
        assert (listing.urls, listing.issues) == ({"lion": []}, {ParseIssue.NO_TAB: 1})

    def test_paths_need_a_root(self, tmp_path):
        text = "n02129165_1\thttp://a/1.jpg\nn02129165_2\tlion/2.png\nn02129165_3\tfile:///etc/passwd\n"
        (tmp_path / "list").write_text(text)
        without = open_source(SourceOptions("url_list")).listing([LION], tmp_path / "list")
        assert urls_of(without) == {"lion": ["http://a/1.jpg"]}
        assert without.issues == {ParseIssue.NOT_HTTP: 2}
        within = open_source(SourceOptions("world", root=tmp_path)).listing([LION], tmp_path / "list")
        assert urls_of(within) == {"lion": ["http://a/1.jpg", "lion/2.png"]}
        assert within.issues == {ParseIssue.NOT_HTTP: 1}

    def test_missing_local_lists_are_reported_and_mirrors_are_not_checked(self, tmp_path):
        gone = str(tmp_path / "list")
        (finding,) = open_source(SourceOptions("url_list", locations=(gone,))).check([LION])
        assert gone in finding
        assert open_source(SourceOptions("url_list", locations=(gone, "http://a/list"))).check([LION]) == []
        (tmp_path / "list").write_text("")
        assert open_source(SourceOptions("url_list", locations=(gone,))).check([LION]) == []

    def test_a_class_without_a_wnid_is_reported(self):
        (finding,) = open_source(SourceOptions("url_list", locations=("http://a/list",))).check([LION, OWN])
        assert "'my cat' has no wnid" in finding

    def test_the_list_must_be_downloaded_first(self):
        with pytest.raises(ParleyError, match="snakemake --cores 1 urls"):
            open_source(SourceOptions("url_list")).listing([LION], None)

    def test_the_digest_depends_on_content_checksum_and_options(self, tmp_path):
        (tmp_path / "list").write_text("one")

        def digest(**options):
            locations = options.pop("locations", (str(tmp_path / "list"),))
            return open_source(SourceOptions("url_list", locations=locations, **options)).digest([LION])

        assert digest() == digest()
        assert len({digest(), digest(filter_url="flickr"), digest(class_size=5), digest(checksum="sha1:1")}) == 4
        assert digest(locations=("http://a/1",)) != digest(locations=("http://a/2",))
        # A checksum says all about the list, wherever it comes from.
        assert digest(locations=("http://a/1",), checksum="sha1:1") == digest(locations=("x",), checksum="SHA1:1")
        before = digest()
        (tmp_path / "list").write_text("two")
        assert digest() != before

    def test_the_fingerprint_of_a_large_file_covers_size_time_and_both_ends(self, tmp_path, monkeypatch):
        monkeypatch.setattr(base, "HASHED_WHOLE_BYTES", 1 << 21)
        body, names = bytearray(b"x" * (3 << 20)), itertools.count()

        def digest():
            # Another path each time: within a process, a path whose size and time did not change is hashed once.
            path = tmp_path / f"list{next(names)}"
            path.write_bytes(body)
            os.utime(path, (1, 1))
            return base.file_fingerprint(path)

        before = digest()
        assert digest() == before
        for index in (0, len(body) - 1):
            body[index] ^= 1
            assert digest() != before
            body[index] ^= 1
        path = tmp_path / "list0"
        os.utime(path, (2, 2))
        assert base.file_fingerprint(path) != before
