/* The double of LuCI.uci: changes are held here until save(), and staged at the router until apply(). */
'use strict';
'require baseclass';
'require rpc';

const call = (method, params) => rpc.declare({ object: 'uci', method: method, params: params, reject: true, expect: { '': {} } });
const get = call('get', [ 'config' ]);
const stage = call('stage', [ 'config', 'sections' ]);

function name(config, section) {
	const found = /^@([\w-]+)\[(-?\d+)\]$/.exec(section);
	if (!found)
		return section;
	const all = self.sections(config, found[1]);
	return (all[found[2] < 0 ? all.length + +found[2] : +found[2]] || {})['.name'];
}

let self, fresh = 0;

return baseclass.extend({
	__init__() {
		self = this;
		this.held = {};
	},
	async load(configs) {
		await Promise.all([].concat(configs).map(async(config) => {
			if (!this.held[config])
				this.held[config] = (await get(config)).values;
		}));
	},
	unload(config) { delete this.held[config]; },
	list(config) {
		if (!this.held[config])
			throw new Error('uci: ' + config + ' is not loaded');
		return this.held[config];
	},
	sections(config, type) {
		return this.list(config).filter((section) => !type || section['.type'] == type).map((section) => ({ ...section }));
	},
	find(config, section) {
		const wanted = name(config, section);
		return this.list(config).find((one) => one['.name'] == wanted) || null;
	},
	get(config, section, option) {
		const found = this.find(config, section);
		return option == null ? found : found ? found[option] : null;
	},
	set(config, section, option, value) {
		const found = this.find(config, section);
		if (!found || !/^\w+$/.test(option))
			return;
		if (value == null || value === '' || (Array.isArray(value) && !value.length))
			delete found[option];
		else
			found[option] = Array.isArray(value) ? value.map(String) : String(value);
	},
	unset(config, section, option) { this.set(config, section, option, null); },
	add(config, type, section) {
		if (section != null && !/^\w+$/.test(section))
			throw new Error('uci: bad section name ' + section);
		if (section != null && this.find(config, section))
			throw new Error('uci: there is a section ' + section + ' already');
		const made = { '.name': section || 'new' + ++fresh, '.type': type, '.anonymous': !section };
		this.list(config).push(made);
		return made['.name'];
	},
	remove(config, section) {
		this.held[config] = this.list(config).filter((one) => one['.name'] != section);
	},
	move(config, section, beside, after) {
		const moved = this.find(config, section), others = this.list(config).filter((one) => one !== moved);
		others.splice(others.findIndex((one) => one['.name'] == beside) + (after ? 1 : 0), 0, moved);
		this.held[config] = others;
		return true;
	},
	async save() {
		for (const config of Object.keys(this.held))
			await stage(config, this.held[config]);
		for (const config of Object.keys(this.held))
			this.held[config] = (await get(config)).values;
	},
	apply: call('apply', [])
});
