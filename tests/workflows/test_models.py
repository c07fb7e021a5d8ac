"""The pages of the networks: each shows the tables of its own paper's part, and no other's."""

import pytest

from hubel.errors import UsageError
from hubel.workflows.models import network_page


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("resnet18", ["Table 1"]),
        ("resnet20", ["Section 4.2"]),
        ("densenet121", ["Table 1"]),
        ("squeezenet1_1", ["Table 1", "Versions"]),
        ("vgg16_bn", ["Table 1"]),
        ("mobilenet_v2", ["Table 2"]),
        ("googlenet", []),
    ],
)
def test_tables_of_a_network(name, titles):
    assert [table.title.partition(":")[0] for table in network_page(name).tables] == titles


def test_a_table_of_several_networks_shows_the_row_of_one():
    (table,) = network_page("resnet56").tables
    assert table.heads == ("", "stage1", "stage2", "stage3")
    assert table.rows == (("56", "9", "9", "9"),)
    (table,) = network_page("resnet101").tables
    assert table.rows == (("101", "yes", "3", "4", "23", "3"),)


def test_an_unknown_network_has_no_page():
    with pytest.raises(UsageError, match="There is no network 'resnet19': did you mean resnet"):
        network_page("resnet19")
