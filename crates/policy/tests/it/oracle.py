"""Answers for generated policy cases, from the unmodified oslo.policy: a JSON object a line in, one a line out."""

import json
import logging
import os
import sys
import tempfile
import warnings

from oslo_config import cfg
from oslo_policy import _external
from oslo_policy import policy

logging.disable(logging.CRITICAL)
warnings.simplefilter('ignore')

CONF = cfg.ConfigOpts()
CONF([], project='oracle')
DIRECTORY = tempfile.mkdtemp()
asked = []


class Answer:
    def __init__(self, text):
        self.text = text

    def close(self):
        pass


def post(url, json=None, data=None, **_):
    asked.append({'address': url, 'json': json, 'form': data})
    return Answer('True' if url.endswith('1') else '"True"' if url.endswith('2') else 'true')


_external.requests.post = post


def deprecated(old):
    return old and policy.DeprecatedRule(old['name'], old['check'], deprecated_reason='r', deprecated_since='s')


def answer(number, case):
    path = os.path.join(DIRECTORY, f'{number}.yaml')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(case['file'])
    policy.opts._register(CONF)
    for name in ('enforce_new_defaults', 'policy_default_rule', 'remote_content_type'):
        CONF.set_override(name, case[name], group='oslo_policy')
    enforcer = policy.Enforcer(CONF, policy_file=path)
    for rule in case['registered']:
        enforcer.register_default(policy.RuleDefault(
            rule['name'], rule['check'], deprecated_rule=deprecated(rule['deprecated']),
            scope_types=rule['scopes'] or None))
    answers = []
    for check in case['checks']:
        asked.clear()
        try:
            granted = bool(enforcer.enforce(check['rule'], check['target'], dict(check['credentials'])))
        except Exception:
            granted = 'error'
        answers.append({'granted': granted, 'asked': list(asked)})
    os.unlink(path)
    rules = {name: str(check) for name, check in enforcer.rules.items()}
    return {'answers': answers, 'rules': rules}


for number, line in enumerate(sys.stdin):
    print(json.dumps(answer(number, json.loads(line))))
