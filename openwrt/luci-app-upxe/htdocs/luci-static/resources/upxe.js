'use strict';
'require baseclass';
'require rpc';
'require ui';

/*
 * What the pages about network boot share: the questions to the router, and words for what it says.
 * Whatever a machine on the network may have chosen itself (names, files, classes) is only ever put into arrays of
 * children: E() makes text of those, but markup of a plain string.
 */

const OBJECT = 'luci.upxe';

function ask(method, params) {
	return rpc.declare({ object: OBJECT, method: method, params: params, expect: { '': {} } });
}

const callAction = ask('action', [ 'name' ]);

/* The names by which 'upxe explain' knows machines, the numbers of option 93, and our words for them. */
const ARCHITECTURES = [
	[ 'bios', [ 0 ], 'BIOS' ],
	[ 'x64', [ 7, 9 ], 'UEFI x64' ],
	[ 'ia32', [ 6 ], 'UEFI IA32' ],
	[ 'arm64', [ 11 ], 'UEFI ARM64' ],
	[ 'arm32', [ 10 ], 'UEFI ARM32' ],
	[ 'riscv64', [ 27 ], 'UEFI RISC-V 64' ],
	[ 'loong64', [ 39 ], 'UEFI LoongArch 64' ]
];

const IPXE = /(^|[\/\\])(undionly|ipxe|snponly|snp-|gpxe|netboot\.xyz)[^\/\\]*\.(efi|k*pxe|0)$/i;
const SCRIPT = /\.(ipxe|gpxe|php|cgi|cfg)(\?|$)/i;
const KERNEL = /(vmlinu|bzimage|kernel|linux|wimboot)/i;
const RAMDISK = /(initrd|initramfs|\.img|\.cpio|\.wim|\.iso)/i;

return baseclass.extend({
	status: ask('status'),
	check: ask('check'),
	doctor: ask('doctor', [ 'probe' ]),
	explain: ask('explain', [ 'mac', 'arch', 'program' ]),
	files: ask('files'),
	log: ask('log'),
	hosts: rpc.declare({ object: 'luci-rpc', method: 'getHostHints', expect: { '': {} } }),
	networks: rpc.declare({ object: 'network.interface', method: 'dump', expect: { interface: [] } }),
	architectures: ARCHITECTURES,

	size: function(bytes) {
		return '%1024.1mB'.format(bytes);
	},

	ago: function(milliseconds) {
		const seconds = Math.floor(milliseconds / 1000);
		return seconds < 1 ? _('now') : seconds < 60 ? _('%d s ago').format(seconds) : _('%t ago').format(seconds);
	},

	/* What a loaded file means for the boot. */
	meaning: function(file) {
		const name = file || '';
		return IPXE.test(name) ? _('iPXE starts')
			: SCRIPT.test(name) ? _('script loaded')
			: RAMDISK.test(name) ? _('done: its system starts')
			: KERNEL.test(name) ? _('kernel loaded')
			: _('loaded');
	},

	/* A stage in words, with its file. */
	stage: function(stage, file) {
		const what = stage == 'seen' ? _('asked to boot')
			: stage == 'offered' ? _('offered')
			: stage == 'boot-server' ? _('asked the boot server')
			: stage == 'loading' ? (SCRIPT.test(file || '') ? _('loading script') : _('loading'))
			: stage == 'loaded' ? this.meaning(file)
			: stage == 'failed' ? _('failed')
			: stage == 'gone' ? _('fell silent')
			: stage;
		return file ? what + ': ' + file : what;
	},

	/* What upxe says, in the reader's language: the catalogue has it with FILE and ROOT for a file and the folder of all. */
	said: function(words, file, root) {
		const put = function(all, what, gap) { return what ? all.split(what).join(gap || '') : all; };
		return words && put(put(_(put(put(words, file, 'FILE'), root, 'ROOT')), 'FILE', file), 'ROOT', root);
	},

	/* Everybody who is known, for choosing a machine: [ MAC, name or '' ]. */
	machines: function(hints, clients) {
		const found = {};
		Object.keys(hints || {}).forEach(function(mac) {
			found[mac.toLowerCase()] = hints[mac].name || '';
		});
		(clients || []).forEach(function(client) {
			found[client.mac] = client.host || found[client.mac] || '';
		});
		return Object.keys(found).sort().map(function(mac) { return [ mac, found[mac] ]; });
	},

	/* A badge: how bad, and the word. */
	badge: function(severity) {
		const words = { error: _('error'), warning: _('warning'), note: _('note') };
		const colours = { error: '#c33', warning: '#b60', note: '#567' };
		return E('strong', { 'style': 'color:' + (colours[severity] || colours.note) }, [ words[severity] || severity ]);
	},

	/* A table that folds into cards on a phone; each cell is a list of children. */
	table: function(titles, rows, nothing) {
		const table = E('table', { 'class': 'table' }, titles.some(Boolean) ? [
			E('tr', { 'class': 'tr table-titles' }, titles.map(function(title) {
				return E('th', { 'class': 'th' }, [ title ]);
			}))
		] : []);
		rows.forEach(function(cells) {
			table.appendChild(E('tr', { 'class': 'tr' }, cells.map(function(cell, at) {
				return E('td', { 'class': 'td', 'data-title': titles[at] || null }, [].concat(cell));
			})));
		});
		if (!rows.length)
			table.appendChild(E('tr', { 'class': 'tr placeholder' }, [
				E('td', { 'class': 'td', 'colspan': titles.length }, [ E('em', {}, [ nothing ]) ])
			]));
		return table;
	},

	/* Starts, stops, … the service; what it complains of is shown. */
	action: function(name) {
		return callAction(name).then(function(done) {
			if (done.code)
				ui.addNotification(null, E('pre', {}, [ done.error || _('It did not work. The log may tell why.') ]), 'error');
		});
	},

	button: function(owner, label, style, work) {
		return E('button', {
			'class': 'btn cbi-button cbi-button-' + style,
			'disabled': L.hasViewPermission() ? null : true,
			'click': ui.createHandlerFn(owner, work)
		}, [ label ]);
	}
});
