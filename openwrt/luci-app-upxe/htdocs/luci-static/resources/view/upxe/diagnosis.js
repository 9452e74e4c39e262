'use strict';
'require view';
'require dom';
'require uci';
'require ui';
'require upxe';

/* What stands in the way, what a machine would be told, and the log. */

/* Steps that this page may take by itself; anything else is shown for a hand to type. */
const UCI = /^uci (set|add_list|delete) upxe\.(@?\w+(?:\[-?\d+\])?)\.(\w+)(?:=('[^']*'|"[^"$`\\]*"|[^\s'"$`\\;|&<>]*))?$/;
const SECTION = /^uci set upxe\.(\w+)=(\w+)$/;
const SERVICE = /^(?:service upxe|\/etc\/init\.d\/upxe) (start|restart|reload|enable)$/;

function steps(command) {
	const taken = [];
	const known = (command || '').split(/\s*&&\s*|\s*;\s*/).every(function(words) {
		const made = SECTION.exec(words), set = UCI.exec(words), act = SERVICE.exec(words);
		if (set && (set[1] == 'delete') == (set[4] == null))
			taken.push({ verb: set[1], section: set[2], option: set[3], value: (set[4] || '').replace(/^(['"])(.*)\1$/, '$2') });
		else if (made)
			taken.push({ verb: 'make', section: made[1], type: made[2] });
		else if (act)
			taken.push({ action: act[1] });
		else if (words != 'uci commit upxe')
			return false;
		return true;
	});
	return known && taken.length ? taken : null;
}

function place(one) {
	return one.file ? one.file + (one.line ? ':' + one.line : '') : '';
}

function take(list) {
	const changes = list.filter(function(step) { return step.verb; });
	/* To apply changes reloads the service, too. */
	const actions = list.filter(function(step) { return step.action && (!changes.length || step.action == 'enable'); });
	return uci.load('upxe').then(function() {
		changes.forEach(function(step) {
			if (step.verb == 'make')
				return uci.get('upxe', step.section) || uci.add('upxe', step.type, step.section);
			const old = uci.get('upxe', step.section, step.option);
			uci.set('upxe', step.section, step.option, step.verb == 'delete' ? null
				: step.verb == 'set' ? step.value : [].concat(old || [], step.value));
		});
		return actions.reduce(function(before, step) {
			return before.then(function() { return upxe.action(step.action); });
		}, Promise.resolve());
	}).then(function() {
		return changes.length ? uci.save().then(function() { return ui.changes.apply(true); }) : null;
	});
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load: function() {
		return Promise.all([ upxe.doctor(), upxe.check(), upxe.status(), upxe.hosts(), upxe.log() ]);
	},

	mend: function(command) {
		const list = steps(command);
		return command ? [
			list ? upxe.button(this, _('Mend'), 'apply', function() { return take(list); }) : '',
			E('pre', { 'style': 'white-space:pre-wrap;user-select:all' }, [ command ])
		] : '';
	},

	message: function(what, where) {
		return [ what, where ? E('div', {}, [ E('small', {}, [ where ]) ]) : '' ];
	},

	findings: function(doctor) {
		if (doctor.error)
			return E('pre', {}, [ doctor.error ]);
		return upxe.table([ '', _('What'), _('Why it matters'), _('What mends it') ], (doctor.findings || []).map(L.bind(function(one) {
			return [ upxe.badge(one.severity), this.message(one.what, one.where), upxe.said(one.why) || '', this.mend(one.mend) ];
		}, this)), _('Nothing stands in the way.'));
	},

	complaints: function(check) {
		if (check.error)
			return E('pre', {}, [ check.error ]);
		return E('div', {}, [
			E('p', {}, [ check.summary || '' ]),
			upxe.table([ '', _('What'), _('What mends it') ], (check.diagnostics || []).map(L.bind(function(one) {
				return [ upxe.badge(one.severity), this.message(one.message, place(one)), this.mend(one.mend) ];
			}, this)), _('The configuration is sound.'))
		]);
	},

	/* What 'upxe explain' says, the answer first. */
	explained: function(answer) {
		const request = (answer.requests || [])[0];
		if (!request)
			return E('pre', {}, [ answer.error || '' ]);
		const lines = function(title, list) {
			return list.length ? [ E('h4', {}, [ title ]), upxe.table([ '', '', '', '' ], list) ] : [];
		};
		const reply = request.reply, silence = request.silence;
		return E('div', {}, [].concat(
			reply ? E('p', {}, [
				E('strong', {}, [ _('It is told to load %s').format(reply.fields.file || '–') ]), ' ',
				_('from %s (%s, %d bytes)').format(reply.fields.siaddr, reply.message, reply.length)
			]) : E('p', {}, [ E('strong', {}, [ _('It gets no answer:') ]), ' ', silence.reason, E('br'), E('em', {}, [ upxe.said(silence.advice) ]) ]),
			lines(_('What it boots'), request.rules.map(function(rule) {
				return [ rule.won ? '▶' : '', rule.kind + ' ' + rule.what, rule.why, place(rule) ];
			})),
			lines(_('Its tags'), request.tags.map(function(tag) { return [ '', tag.tag, tag.kind, place(tag) ]; })),
			lines(_('The reply'), !reply ? [] : Object.keys(reply.fields).map(function(name) {
				return [ '', name, reply.fields[name], '' ];
			}).concat(reply.options.map(function(option) {
				return [ String(option.code), option.name, option.value || option.hex, option.from.map(place).join(' ') ];
			})))
		));
	},

	/* The form of the question, and the place of the answer. */
	question: function(status, hints) {
		const select = function(choices) {
			return E('select', { 'class': 'cbi-input-select', 'style': 'width:auto' }, choices.map(function(choice) {
				return E('option', { 'value': choice[0] }, [ choice[1] ]);
			}));
		};
		const mac = select([ [ '', _('any machine') ] ].concat(upxe.machines(hints, status.clients).map(function(machine) {
			return [ machine[0], machine[1] ? machine[1] + ' (' + machine[0] + ')' : machine[0] ];
		})));
		const arch = select(upxe.architectures.map(function(one) { return [ one[0], one[2] ]; }));
		const program = select([ [ '', _('Firmware') ], [ 'ipxe', 'iPXE' ], [ 'gpxe', 'gPXE' ], [ 'http', _('Firmware, by HTTP') ] ]);
		const answer = E('div', {});
		/* What was seen of the machine is the best guess of what it is. */
		mac.addEventListener('change', function() {
			const client = (status.clients || []).filter(function(one) { return one.mac == mac.value; })[0];
			const words = ((client || {}).client || '').toLowerCase().replace(/[^a-z0-9]/g, '');
			upxe.architectures.forEach(function(one) {
				if (words.indexOf(one[0] == 'loong64' ? 'loongarch' : one[0]) == 0)
					arch.value = one[0];
			});
			if (client)
				program.value = /ipxe/.test(words) ? 'ipxe' : /gpxe/.test(words) ? 'gpxe' : /http/.test(words) ? 'http' : '';
		});
		return [ E('p', {}, [
			mac, ' ', arch, ' ', program, ' ',
			upxe.button(this, _('Explain'), 'action', L.bind(function() {
				return upxe.explain(mac.value, arch.value, program.value).then(L.bind(function(told) {
					dom.content(answer, [ this.explained(told) ]);
				}, this));
			}, this))
		]), answer ];
	},

	render: function(data) {
		const findings = E('div', {}, [ this.findings(data[0]) ]);
		const section = function(title, children) {
			return E('div', { 'class': 'cbi-section' }, [ E('h3', {}, [ title ]) ].concat(children));
		};
		const again = function(probe) {
			return upxe.doctor(probe).then(L.bind(function(doctor) {
				dom.content(findings, [ this.findings(doctor) ]);
			}, this));
		};
		return E('div', {}, [
			E('h2', {}, [ _('Diagnosis') ]),
			section(_('On this router'), [ findings, E('p', {}, [
				upxe.button(this, _('Look again'), 'action', L.bind(again, this, false)), ' ',
				upxe.button(this, _('Look for other DHCP servers, too'), 'action', L.bind(again, this, true))
			]) ]),
			section(_('In the configuration'), [ this.complaints(data[1]) ]),
			section(_('What is a machine told, and why?'), this.question(data[2], data[3])),
			section(_('Log'), [ E('pre', { 'style': 'max-height:30em;overflow:auto' }, [ (data[4].lines || []).join('\n') || _('no lines') ]) ])
		]);
	}
});
