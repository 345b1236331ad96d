# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tables that ship, and what a table may not say."""

import pytest
import yaml

from anymodal_seg_ros.errors import ConfigError
from training.settings import read_section
from training.tables.runs import recipe_sha256, table_runs
from training.tables.table import TableConfig, load_table, table_names, tables_folder
from training.train_config import TrainConfig

LADDER = load_table('ladder')
STUDENTS = [name for name in LADDER.usual_rows() if name != 'teacher']


def configs(table, tmp_path):
    names = [row.name for row in load_table(table).rows]
    runs = table_runs(load_table(table), names, [0], tmp_path, tmp_path)
    return {run.row.name: run.config for run in runs}


def rest(config, *left_out):
    data = config.to_dict()
    for name in ('output', *left_out):
        del data[name]
    return data


@pytest.mark.parametrize('name', table_names())
def test_every_row_of_every_table_is_a_recipe_of_its_own(name, tmp_path):
    table = load_table(name)
    found = configs(name, tmp_path)
    assert set(found) == {row.name for row in table.rows}
    assert len({recipe_sha256(config) for config in found.values()}) == len(found)
    assert all(row.title for row in table.rows if row.name in table.usual_rows())


def test_rungs_of_the_ladder():
    assert LADDER.usual_rows() == ('teacher', 'dropout', 'basic', 'anyseg', 'single_ifv',
                                   'cross_ifv', 'cpd', 'hpd', 'feedback')
    assert [row.name for row in LADDER.rows if row.extra] == [
        'anyseg_as_printed', 'teacher_statistics', 'corruption', 'running_prototypes',
        'reliability', 'pseudo_labels', 'light_prototypes']
    folder = tables_folder().parent / 'ladder'
    assert ({path.stem for path in folder.glob('*.yaml')} - {'student'}
            == {row.name for row in LADDER.rows})


def test_students_of_the_ladder_differ_in_their_method_alone(tmp_path):
    """All else is equal, so that the table compares methods."""
    found = configs('ladder', tmp_path)
    assert all(rest(found[name], 'method') == rest(found['hpd'], 'method') for name in STUDENTS)
    assert all(found[name].method.init != 'scratch' for name in STUDENTS)


def test_published_weights_are_used(tmp_path):
    options = configs('ladder', tmp_path)['feedback'].method.options
    assert options == {'feedback': {'lr': 6.0e-6, 'every': 1}}


@pytest.mark.parametrize('table', ['networks', 'equiseg'])
def test_networks_differ_in_network_method_and_dropout_alone(table, tmp_path):
    found = configs(table, tmp_path)
    first, *others = [config for name, config in found.items() if name != 'camera']
    own = ('model', 'model_config', 'guide', 'method', 'dropout', 'data')
    assert all(rest(config, *own) == rest(first, *own) for config in others)
    fewer = {name for name, config in found.items() if config.data != first.data}
    assert fewer - {'camera'} == ({'segrgbx_rgb_depth'} if table == 'networks' else set())
    assert first.pretrained == str(tmp_path / 'camera' / 'bundle')
    assert all(config.method.init == 'scratch' for config in others)


def test_rows_of_an_ablation_are_one_override_each():
    rows = load_table('equiseg').rows
    full = next(row for row in rows if row.name == 'equiseg')
    for row in rows:
        if row.title and row is not full:
            assert (row.recipe, row.encoder, len(row.overrides)) == (full.recipe, full.encoder, 1)


GOOD = {'columns': ['emm', 'lidar+event'], 'rows': [
    {'name': 'camera', 'recipe': 'ladder/camera.yaml', 'once': True},
    {'name': 'teacher', 'recipe': 'ladder/teacher.yaml', 'title': 't', 'init': 'camera'}]}


def changed(change):
    data = yaml.safe_load(yaml.safe_dump(GOOD))
    change(data)
    return data


@pytest.mark.parametrize(('change', 'message'), [
    (lambda d: d.update(column=['emm']), "unknown key 'column'"),
    (lambda d: d.pop('rows'), "'rows' is missing"),
    (lambda d: d.update(rows='all'), "rows is 'all'; allowed: a list"),
    (lambda d: d['rows'][1].update(titel='x'), r"rows\[1\]: unknown key 'titel'"),
    (lambda d: d['rows'][1].pop('recipe'), r"rows\[1\]: 'recipe' is missing"),
    (lambda d: d['rows'][1].update(name='a-b'), "name is 'a-b'; allowed: letters"),
    (lambda d: d['rows'][1].update(name='camera'), "two rows are called 'camera'"),
    (lambda d: d['rows'][1].update(init='later'), "needs is 'later'; allowed: camera"),
    (lambda d: d['rows'][1].update(teacher='teacher'), "needs is 'teacher'; allowed: camera"),
    (lambda d: d['rows'][1].update(encoder='camera'), 'allowed: one of them'),
    (lambda d: d['rows'].append({'name': 'x', 'recipe': 'y', 'once': True, 'init': 'teacher'}),
     "needs 'teacher', which is trained for each seed"),
    (lambda d: d.update(columns=['emm', 'all+most']), r"column is 'all\+most'; allowed: emm"),
    (lambda d: d.update(columns=['lidar+lidar']), r"column is 'lidar\+lidar'"),
    (lambda d: d.update(benchmark_frames=-1), 'benchmark_frames is -1'),
    (lambda d: d.update(against='camera'), "against is 'camera'; allowed: teacher"),
    (lambda d: (d.update(against='teacher'), d['rows'][1].update(paper='about 3')),
     "paper of row 'teacher' is 'about 3'; allowed: figures or –"),
    (lambda d: d.update(speed_px=100), 'speed_px 100 is no multiple of 32'),
    (lambda d: d['rows'][1].update(once='no'), "once is 'no'; allowed: true, false"),
])
def test_what_a_table_may_not_say(change, message):
    with pytest.raises(ConfigError, match=message):
        read_section(TableConfig, '', changed(change))
    read_section(TableConfig, '', GOOD)


def test_a_table_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="table is 'steps'; allowed: equiseg, ladder, networks"):
        load_table('steps')


@pytest.mark.parametrize('override', ['epochs=3', 'optim.lr=1.0e-5', 'model_config.drop_path=0.2'])
def test_a_recipe_is_known_by_all_but_seed_and_names_of_files(override, tmp_path):
    path = tables_folder().parent / 'ladder' / 'basic.yaml'

    def sha256(*overrides):
        return recipe_sha256(TrainConfig.from_yaml(path, overrides))

    assert sha256('seed=4', 'output=x', 'data.root=y', 'method.teacher=z') == sha256()
    assert sha256('guide=x') == sha256('guide=y') != sha256()
    assert sha256(override) != sha256()
