'use strict';
'require view';
'require dom';
'require form';
'require uci';
'require upxe';

/* Which machine boots what: plain sections of /etc/config/upxe, as a hand would write them. */

const IGNORE = '!';

/* The last boot line for this tag alone, which is the one that counts. */
function bootOf(tag) {
	return tag ? uci.sections('upxe', 'boot').filter(function(boot) {
		return String(boot.networkid || '') == tag;
	}).pop() : null;
}

function setBoot(tag, file, first) {
	let name = (bootOf(tag) || {})['.name'];
	if (!name) {
		const others = uci.sections('upxe', 'boot');
		name = uci.add('upxe', 'boot', 'boot_' + tag);
		uci.set('upxe', name, 'networkid', tag);
		/* Of the lines that hold for a machine the last one wins: one for a whole architecture must not be that. */
		if (first && others.length)
			uci.move('upxe', name, others[0]['.name'], false);
	}
	uci.set('upxe', name, 'filename', file);
}

function removeBoot(tag) {
	const boot = bootOf(tag);
	if (boot)
		uci.remove('upxe', boot['.name']);
}

/* The tag that marks an architecture: one that is in use already, else our own. */
function archTag(arch) {
	const found = uci.sections('upxe', 'match').filter(function(match) {
		const words = /^(?:option:client-arch|93),(\d+)$/.exec(match.match || '');
		return words && arch[1].indexOf(+words[1]) >= 0;
	}).map(function(match) { return match.networkid; });
	return found.filter(bootOf)[0] || found[0] || null;
}

function setArch(arch, file) {
	const tag = archTag(arch) || 'arch_' + arch[0];
	arch[1].forEach(function(number) {
		const is = function(match) {
			return match.networkid == tag && /^(option:client-arch|93),/.test(match.match) && +match.match.split(',')[1] == number;
		};
		if (!uci.sections('upxe', 'match').some(is)) {
			const name = uci.add('upxe', 'match', tag + '_' + number);
			uci.set('upxe', name, 'networkid', tag);
			uci.set('upxe', name, 'match', 'option:client-arch,' + number);
		}
	});
	setBoot(tag, file, true);
}

/* The tag that marks one machine. */
function hostTag(host) {
	return [].concat(uci.get('upxe', host, 'tag') || uci.get('upxe', host, 'networkid') || [])[0];
}

return view.extend({
	/* With what each kind of machine is told today: nobody knows the customary names better than who answers. */
	load: function() {
		return Promise.all([ upxe.files(), upxe.hosts(), upxe.status(),
			Promise.all(upxe.architectures.map(function(arch) { return upxe.explain('', arch[0], ''); })
				.concat(upxe.explain('', 'x64', 'ipxe'))),
			uci.load('upxe') ]);
	},

	sizeOf: function(name) {
		const found = this.found.filter(function(file) { return file.name == name; })[0];
		return found && found.size;
	},

	/* Says below a field whether the file is there; a URL, or another server's file, is nothing we could look for. */
	state: function(name) {
		const size = this.sizeOf(name);
		if (!name || name == IGNORE || /^[a-z]+:\/\//i.test(name))
			return null;
		return size != null ? E('small', {}, [ '✓ ' + name + ', ' + upxe.size(size) ])
			: E('small', { 'style': 'color:#c33' }, [ '✗ ' + name + ': ', _('not in the folder') ]);
	},

	/* What a machine is told today, in a line. A file that is not in the folder, such as a menu, is made when it is asked for. */
	today: function(told) {
		const request = (told.requests || [])[0], file = request && request.reply && request.reply.fields.file;
		return !request ? null : this.sizeOf(file) != null ? this.state(file)
			: E('small', {}, [ request.reply ? file : request.silence.reason ]);
	},

	/* A field for a file of the folder, with its state below. */
	fileField: function(section, name, title, description, filter, told) {
		const self = this;
		const option = section.option(form.Value, name, title, description);
		this.found.filter(function(file) { return filter.test(file.name); }).forEach(function(file) {
			option.value(file.name, E('span', {}, [ file.name + ' (' + upxe.size(file.size) + ')' ]));
		});
		option.datatype = 'maxlength(127)';
		option.rmempty = true;
		option.renderWidget = function(id, index, value) {
			const below = E('div', {}, [ value ? self.state(value) : self.today(told || {}) ]);
			return E('div', {
				'widget-change': L.bind(function() {
					dom.content(below, [ self.state(this.formvalue(id)) ]);
				}, this)
			}, [ form.Value.prototype.renderWidget.apply(this, [ id, index, value ]), below ]);
		};
		return option;
	},

	folder: function(section, data) {
		let option = section.option(form.Flag, 'tftp', _('TFTP server'), _('Off when another server shall hold port 69.'));
		option.default = '1';

		option = section.option(form.Value, 'tftp_root', _('Folder of boot files'), data.avail != null
			? _('%s free there. Files get there by USB stick, or by scp.').format(upxe.size(data.avail))
			: _('Files get there by USB stick, or by scp.'));
		option.datatype = 'directory';
		option.placeholder = data.root;
		const choices = [ [ data.root, data.avail ] ].concat((data.disks || []).map(function(disk) {
			return [ disk.mount.replace(/\/$/, '') + (disk.mount == '/' ? '/srv/tftp' : '/tftp'), disk.avail ];
		}));
		choices.forEach(function(choice, at) {
			if (choices.findIndex(function(other) { return other[0] == choice[0]; }) == at)
				option.value(choice[0], E('span', {}, [ choice[0] + (choice[1] != null ? ' (' + _('%s free').format(upxe.size(choice[1])) + ')' : '') ]));
		});
		option.depends('tftp', '1');
		if (data.exists === false) {
			const render = option.renderWidget;
			option.renderWidget = function() {
				return E('div', {}, [ render.apply(this, arguments),
					E('div', { 'style': 'color:#c33' }, [ _('%s does not exist: make it, and copy boot files there.').format(data.root) ]) ]);
			};
		}
	},

	architectures: function(section, told) {
		upxe.architectures.forEach(L.bind(function(arch, at) {
			const option = this.fileField(section, '_' + arch[0], arch[2], null, /./, told[at]);
			option.placeholder = _('customary file');
			option.load = function() { return (bootOf(archTag(arch)) || {}).filename; };
			option.write = function(id, file) { setArch(arch, file); };
			option.remove = function() { removeBoot(archTag(arch)); };
		}, this));
	},

	machines: function(section, known) {
		section.anonymous = true;
		section.addremove = true;
		section.addbtntitle = _('Add machine');
		section.handleRemove = function(id) {
			removeBoot(hostTag(id));
			return form.TableSection.prototype.handleRemove.apply(this, arguments);
		};

		let option = section.option(form.DynamicList, 'mac', _('Hardware address'));
		option.datatype = 'macaddr';
		option.rmempty = false;
		known.forEach(function(machine) {
			option.value(machine[0], E('span', {}, [ machine[1] ? machine[0] + ' (' + machine[1] + ')' : machine[0] ]));
		});

		option = section.option(form.Value, 'name', _('Name'));
		option.datatype = 'hostname';

		option = this.fileField(section, '_file', _('Boots'), null, /./);
		option.placeholder = _('as the others');
		option.value(IGNORE, _('nothing: it gets no answer'));
		option.load = function(id) {
			return uci.get('upxe', id, 'ip') == 'ignore' ? IGNORE : (bootOf(hostTag(id)) || {}).filename;
		};
		option.write = function(id, file) {
			if (file == IGNORE) {
				removeBoot(hostTag(id));
				return uci.set('upxe', id, 'ip', 'ignore');
			}
			if (uci.get('upxe', id, 'ip') == 'ignore')
				uci.unset('upxe', id, 'ip');
			let tag = hostTag(id);
			if (!tag) {
				tag = 'm' + String(this.section.formvalue(id, 'mac')).split(',')[0].replace(/\W/g, '').toLowerCase();
				uci.set('upxe', id, 'tag', [ tag ]);
			}
			setBoot(tag, file);
		};
		option.remove = function(id) {
			removeBoot(hostTag(id));
			if (uci.get('upxe', id, 'ip') == 'ignore')
				uci.unset('upxe', id, 'ip');
		};
	},

	/* What loaders show for choosing; a field is there for the kinds that it is of use to. */
	menu: function(map) {
		let section = map.section(form.TypedSection, 'menu', _('Menu'));
		section.anonymous = section.addremove = true;
		section.option(form.Value, 'title', _('Title')).placeholder = 'Boot menu';
		let option = section.option(form.Value, 'timeout', _('Seconds'), _('Then the default is booted; 0: never.'));
		option.datatype = 'range(0,3600)';
		option.placeholder = '10';
		option = section.option(form.Value, 'default', _('Default'));
		option.placeholder = _('the first');
		uci.sections('upxe', 'entry').forEach(function(entry) { option.value(entry['.name']); });

		section = map.section(form.TypedSection, 'entry', _('Menu entries'));
		section.addremove = true;
		const kind = section.option(form.ListValue, 'kind', _('Kind'));
		kind.optional = true;
		kind.placeholder = _('as the fields say');
		'linux,memtest,iso,chain,wimboot,iscsi,local,shell'.split(',').forEach(function(one) { kind.value(one); });
		[
			[ form.Value, 'title', _('Title') ],
			[ null, 'kernel', _('Kernel or program'), ',linux,memtest,wimboot' ],
			[ form.DynamicList, 'initrd', _('RAM disks'), ',linux' ],
			[ form.Value, 'append', _('Command line'), ',linux' ],
			[ null, 'url', _('Image, script or loader'), ',iso,chain' ],
			[ form.DynamicList, 'file', _('Files'), ',wimboot' ],
			[ form.Value, 'root_path', _('iSCSI disk'), ',iscsi' ],
			[ form.Flag, 'keep_san', _('Stays for an installer'), ',iscsi' ],
			[ form.DynamicList, 'arch', _('Architectures') ],
			[ form.DynamicList, 'host', _('Machines') ],
			[ form.DynamicList, 'serial', _('Serial numbers') ],
			[ form.DynamicList, 'asset', _('Asset tags') ],
			[ form.Value, 'networkid', _('Tags') ],
			[ form.DynamicList, 'group', _('One of these tags') ]
		].forEach(function(field) {
			option = field[0] ? section.option(field[0], field[1], field[2]) : this.fileField(section, field[1], field[2], null, /./);
			if (!field[0])
				option.datatype = 'maxlength(255)';
			/* The first is no kind at all. */
			(field[3] || '').split(',').forEach(function(one) { field[3] && option.depends('kind', one); });
			if (field[1] == 'arch')
				upxe.architectures.forEach(function(arch) { option.value(arch[0], arch[2]); });
		}, this);
	},

	/* For those who need them: sections as they are. */
	rules: function(map) {
		const TAG = [ form.Value, 'networkid', _('Tag') ];
		const OPTIONS = [ form.DynamicList, 'dhcp_option', _('DHCP options') ];
		const FORCED = [ form.DynamicList, 'dhcp_option_force', _('Forced DHCP options') ];
		[
			[ 'boot', _('Boot lines'), _('The last line whose tags a machine carries wins; ! before a tag negates it.'), [
				[ form.Value, 'networkid', _('Tags') ], [ form.Value, 'filename', _('File') ],
				[ form.Value, 'serveraddress', _('Server') ], [ form.Value, 'servername', _('Server name') ], OPTIONS, FORCED ] ],
			[ 'match', _('Matches'), _('Machines whose request has this DHCP option carry the tag.'),
				[ TAG, [ form.Value, 'match', _('Option'), 'option:client-arch,7' ] ] ],
			[ 'vendorclass', _('Vendor classes'), null, [ TAG, [ form.Value, 'vendorclass', _('Vendor class'), 'PXEClient:Arch:00007' ] ] ],
			[ 'userclass', _('User classes'), null, [ TAG, [ form.Value, 'userclass', _('User class'), 'iPXE' ] ] ],
			[ 'mac', _('Makes'), null, [ TAG, [ form.Value, 'mac', _('Hardware address'), '52:54:00:*:*:*' ] ] ],
			[ 'tag', _('Tags'), _('DHCP options for machines that carry the tag.'), [ OPTIONS, FORCED ] ]
		].forEach(function(kind) {
			const section = map.section(form.TableSection, kind[0], kind[1], kind[2]);
			section.addremove = true;
			section.anonymous = kind[0] != 'tag';
			section.sortable = kind[0] == 'boot';
			kind[3].forEach(function(field) {
				const option = section.option(field[0], field[1], field[2]);
				option.placeholder = field[3];
				option.rmempty = field !== TAG;
				/* Sections that the fields above make are not drawn yet when they are saved. */
				option.retain = true;
			});
		});
	},

	listing: function(data) {
		return E('details', { 'class': 'cbi-section' }, [
			E('summary', {}, [ _('Files in %s: %d').format(data.root, this.found.length) + (data.more ? ' ' + _('and more') : '') ]),
			upxe.table([ _('File'), _('Size') ], this.found.map(function(file) {
				return [ file.name, upxe.size(file.size) ];
			}), _('none'))
		]);
	},

	render: function(data) {
		const files = data[0];
		this.found = files.files || [];
		const map = new form.Map('upxe', _('Boot files'),
			_('Without a word here, machines get the customary file of their kind, if it is in the folder.'));
		map.tabbed = true;

		const main = map.section(form.NamedSection, 'main', 'upxe', _('Files'));
		this.folder(main, files);
		this.fileField(main, 'script', _('Script or URL for iPXE'), _('What iPXE does once it runs.'), /\.ipxe$/i, data[3][upxe.architectures.length]);
		this.architectures(main, data[3]);
		let option = main.option(form.DynamicList, 'pxe_service', _('Boot menu'),
			_('Architecture, text, file; a single entry is booted at once.'));
		option.placeholder = 'x86PC,"Install",pxelinux';
		option = main.option(form.Value, 'pxe_prompt', _('Menu prompt'), _('Text, seconds.'));
		option.placeholder = '"Press F8 for the boot menu",5';

		this.machines(map.section(form.TableSection, 'host', _('Machines'),
			_('Machines that boot something of their own.')), upxe.machines(data[1], data[2].clients));
		this.menu(map);
		this.rules(map);

		return map.render().then(L.bind(function(node) {
			return E('div', {}, [ node, this.listing(files) ]);
		}, this));
	}
});
