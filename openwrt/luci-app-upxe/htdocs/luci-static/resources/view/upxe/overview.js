'use strict';
'require view';
'require dom';
'require form';
'require poll';
'require upxe';

/* The switch, what is served, and each machine's boot as it happens. */

const SECONDS = 2;

function percentage(client) {
	return client.size > 0 ? Math.min(100, Math.floor(client.bytes * 100 / client.size)) : null;
}

function progress(client) {
	const percent = percentage(client);
	if (client.stage != 'loading' || percent == null)
		return null;
	return E('div', { 'class': 'cbi-progressbar', 'title': percent + ' %' }, [ E('div', { 'style': 'width:' + percent + '%' }) ]);
}

function trouble(client, root) {
	const said = function(words) { return upxe.said(words, client.file, root); };
	return client.trouble && E('div', { 'style': 'color:#c33' }, [ said(client.trouble.reason), E('br'), E('em', {}, [ said(client.trouble.advice) ]) ]);
}

return view.extend({
	/* Machines whose timeline is unfolded, by MAC. */
	unfolded: {},

	/* What the router calls machines that no section names, by MAC. */
	names: {},

	load: function() {
		return Promise.all([ upxe.status(), upxe.networks(), upxe.check(), upxe.hosts() ]);
	},

	timeline: function(client) {
		const unfolded = this.unfolded;
		return E('details', {
			'open': unfolded[client.mac] ? '' : null,
			'toggle': function(ev) { unfolded[client.mac] = ev.currentTarget.open; }
		}, [
			E('summary', {}, [ upxe.ago(client.ago) ]),
			E('div', { 'style': 'white-space:nowrap' }, (client.steps || []).map(function(step) {
				return E('div', {}, [
					'−%.1f s  '.format(step.ago / 1000), upxe.stage(step.stage, step.detail)
				]);
			}))
		]);
	},

	row: function(client) {
		const loads = client.bytes != null && client.bytes > 0;
		const name = client.host || this.names[client.mac];
		const size = client.size ? _('%s of %s').format(upxe.size(client.bytes), upxe.size(client.size)) : upxe.size(client.bytes || 0);
		return [
			[ E('strong', {}, [ name || client.mac ]), E('br'),
				[ name ? client.mac : null, client.address ].filter(Boolean).join(' · ') ],
			client.program && (client.client || '').indexOf(client.program) < 0 ? [ client.client, E('br'), E('small', {}, [ client.program ]) ] : client.client,
			[ upxe.stage(client.stage, client.file), progress(client), trouble(client, this.root) ],
			loads ? [ size, E('br'), client.speed ? upxe.size(client.speed) + '/s' : '' ] : '–',
			this.timeline(client)
		];
	},

	clients: function(status) {
		return upxe.table([ _('Machine'), _('Kind'), _('What happens'), _('Loaded'), _('Last sign') ],
			(status.clients || []).map(L.bind(this.row, this)),
			_('No machine has asked to boot yet. Switch one on, with network boot first in its boot order.'));
	},

	service: function(status) {
		const running = status.running;
		const act = L.bind(function(name) {
			return upxe.action(name).then(L.bind(this.refresh, this));
		}, this);
		const lines = [ [ _('Service'), [
			E('strong', { 'style': 'color:' + (running ? '#383' : '#c33') }, [ running ? _('running') : _('not running') ]), ' ',
			running ? _('version %s, for %t').format(status.program, status.uptime) : status.reason || status.error || '', ' ',
			upxe.button(this, running ? _('Restart') : _('Start'), 'apply', function() { return act('restart'); }), ' ',
			running ? upxe.button(this, _('Stop'), 'reset', function() { return act('stop'); }) : '', ' ',
			status.autostart === false ? upxe.button(this, _('Start it with the router'), 'apply', function() { return act('enable'); }) : ''
		] ] ];
		if (running) {
			lines.push([ _('Networks'), status.interfaces.map(function(one) {
				return E('div', {}, [ one.name + ' (' + one.device + ') ' + (one.address || ''), ' ', one.trouble ? E('span', { 'style': 'color:#c33' }, [ one.trouble ]) : '' ]);
			}) ]);
			lines.push([ _('Ports'), status.ports.map(function(port) {
				return E('div', {}, [ port.port + ' ' + port.use + ' ', port.open ? _('open') : E('span', { 'style': 'color:#c33' }, [ port.trouble || _('closed') ]) ]);
			}) ]);
			lines.push([ _('Boot files'), status.tftp
				? _('%s, %d of %d transfers under way').format(status.tftp.root, status.tftp.transfers, status.tftp.max)
				: _('TFTP is off') ]);
		}
		return upxe.table([ '', '' ], lines);
	},

	configuration: function(check) {
		const wrong = check.error || check.errors || check.warnings;
		return E('p', {}, [ check.error || check.summary || '', ' ', wrong
			? E('a', { 'href': L.url('admin/services/upxe/diagnosis') }, [ _('Something is wrong with it: see Diagnosis.') ]) : '' ]);
	},

	show: function(status) {
		this.root = (status.tftp || {}).root;
		dom.content(this.serviceNode, [ this.service(status) ]);
		dom.content(this.clientsNode, [ this.clients(status) ]);
	},

	/* Nobody is asked for what nobody sees. */
	refresh: function() {
		return document.hidden ? Promise.resolve() : upxe.status().then(L.bind(this.show, this));
	},

	render: function(data) {
		const map = new form.Map('upxe', _('Network Boot'),
			_('Machines in these networks boot from this router. DHCP and DNS stay with dnsmasq.'));
		const section = map.section(form.NamedSection, 'main', 'upxe');
		section.tab('main', _('General'));
		section.tab('more', _('Advanced'));

		let option = section.taboption('main', form.Flag, 'enabled', _('Enable network boot'));
		option.rmempty = false;

		option = section.taboption('main', form.DynamicList, 'interface', _('Networks'));
		data[1].map(function(network) { return network.interface; }).filter(function(name) {
			return name != 'loopback';
		}).forEach(function(name) { option.value(name, E('span', {}, [ name ])); });

		[
			[ form.Flag, 'no_override', _('Boot file in the packet\'s own fields'), _('As old boot ROMs need it (dnsmasq: dhcp-no-override).'), '1' ],
			[ form.Flag, 'tftp_single_port', _('TFTP from one port'), _('For machines behind a firewall that lets nothing else through.'), '0' ],
			[ form.Flag, 'http', _('HTTP too'), _('uhttpd serves the boot files on the same networks: large ones load faster.'), '0' ],
			[ form.Value, 'http_port', _('HTTP port'), null, '8069', 'range(1024,65535)' ],
			[ form.Value, 'http_base', _('Another web server'), _('One that has the same files: their folder\'s URL.'), 'http://192.168.1.5/boot/' ],
			[ form.Flag, 'relay', _('Answer relays'), _('Machines of other networks, whose requests a DHCP relay passes on.'), '0' ],
			[ form.DynamicList, 'tftp_allow', _('Folders that links may lead to'), _('Outside the folder of boot files.'), '/usr/lib/syslinux', 'directory' ],
			[ form.Value, 'tftp_max', _('Transfers at once'), null, '64', 'range(1,1024)' ],
			[ form.Value, 'tftp_max_client', _('Transfers of one machine'), null, '16', 'range(1,1024)' ],
			[ form.Value, 'tftp_in_flight', _('KiB on the way at once'), null, '1024', 'range(64,65536)' ],
			[ form.Value, 'tftp_retries', _('Repeats for the silent'), null, '3', 'range(0,8)' ],
			[ form.Value, 'tftp_errors', _('Refusals in a second'), null, '500', 'range(1,10000)' ],
			[ form.Value, 'tftp_errors_client', _('Refusals to one machine'), null, '20', 'range(1,10000)' ],
			[ form.Value, 'replies', _('Boot replies in a second'), null, '300', 'range(1,10000)' ],
			[ form.Value, 'replies_client', _('Boot replies to one machine'), null, '4', 'range(1,10000)' ],
			[ form.DynamicList, 'dhcp_option', _('DHCP options'), _('For machines that ask for them: number, value.'), '175,8:1:1' ],
			[ form.DynamicList, 'dhcp_option_force', _('Forced DHCP options'), _('For all machines.'), '209,pxelinux.cfg/default' ],
			[ form.DynamicList, 'line', _('Other rules'), _('Lines in dnsmasq\'s words, for what no field says.'), 'tag-if=set:lab,tag:known' ],
			[ form.Value, 'user', _('Runs as user'), null, 'upxe' ],
			[ form.ListValue, 'log_level', _('Log'), _('The least important lines that are logged.'), 'info' ]
		].forEach(function(known) {
			option = section.taboption('more', known[0], known[1], known[2], known[3]);
			if (known[0] === form.Flag || known[0] === form.ListValue)
				option.default = known[4];
			else
				option.placeholder = known[4];
			option.datatype = known[5];
		});
		[ 'error', 'warn', 'info', 'debug', 'trace' ].forEach(function(level) { option.value(level); });

		this.serviceNode = E('div', { 'class': 'cbi-section' });
		this.clientsNode = E('div', {});
		this.names = Object.fromEntries(upxe.machines(data[3]));
		this.show(data[0]);
		poll.add(L.bind(this.refresh, this), SECONDS);
		document.addEventListener('visibilitychange', L.bind(this.refresh, this));

		return map.render().then(L.bind(function(node) {
			return E('div', {}, [
				node, this.configuration(data[2]), this.serviceNode,
				E('div', { 'class': 'cbi-section' }, [ E('h3', {}, [ _('Machines') ]), this.clientsNode ])
			]);
		}, this));
	}
});
