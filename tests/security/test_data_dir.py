"""The folder for data, which only its owner may enter."""

import errno
from pathlib import Path

import pytest

from security.data_dir import make_data_dir


@pytest.mark.parametrize(
    ("names", "mode"),
    [
        ([], 0o700),
        (["secret_key"], 0o700),
        (["lock", "chat.db", "chat.db-wal", "chat.db.old", "database.sock", "lost+found"], 0o700),
        (["diary.txt"], 0o755),
        (["diary.txt", "secret_key", "lock"], 0o755),  # as once the chat has begun to use it
    ],
)
def test_a_folder_of_ours_is_closed_to_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, names: list[str], mode: int
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    for name in names:
        (folder / name).touch()
    make_data_dir(folder)
    assert folder.stat().st_mode & 0o777 == mode
    assert (f"others may enter DATA_DIR={folder}" in caplog.text) is (mode == 0o755)


def test_a_folder_of_somebody_else_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(folder: Path, mode: int) -> None:
        raise PermissionError(errno.EPERM, "not the owner")

    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", refuse)
    make_data_dir(folder)
    assert f"others may enter DATA_DIR={folder}" in caplog.text
