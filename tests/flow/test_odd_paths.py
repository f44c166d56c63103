"""`up` in a folder whose name has every character of a meaning somewhere."""

from pathlib import Path

from mmsvault.sample import media
from mmsvault.sample.provider import SampleProvider
from tests.flow.test_archive import notice
from tests.house import House

ODD = "a?b#c%41\"d'e \\ f é\ng:h;i$(x)&j"


def test_a_vault_in_a_folder_with_an_odd_name_is_made_there_and_nowhere_else(
    tmp_path: Path, provider: SampleProvider
) -> None:
    (tmp_path / ODD).mkdir()
    house = House(tmp_path / ODD, {"MMSVAULT_WORKERS": "1"})
    with house.up():
        url = provider.offer(media.photograph(1, size=(64, 48)))
        assert provider.send(house.postbacks, notice("odd", url)) == 200
        message = house.archived("sinch-odd")
        assert house.json("verify")["problems"] == []
    folder = tmp_path / ODD / "vault"
    assert {"bucket", "catalog.sqlite", "redis"} <= {path.name for path in folder.iterdir()}
    assert (folder / "bucket" / "mms-vault" / message.media[0].key).stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == [ODD]
    assert (folder / "redis" / "appendonlydir").is_dir()
    assert "Traceback" not in house.log.read_text()
