/*
 * The double of LuCI.form: maps, sections and fields as far as the pages use them. What a page sets on them must be known to
 * LuCI; a value must fit its datatype, or nothing is saved.
 */
'use strict';
'require baseclass';
'require dom';
'require uci';
'require ui';

const TYPES = {
	string: () => () => true,
	directory: () => (value) => value.startsWith('/'),
	hostname: () => (value) => /^[a-zA-Z0-9_][a-zA-Z0-9_.-]*$/.test(value) && /[^0-9.]/.test(value),
	macaddr: () => (value) => /^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(value),
	maxlength: (most) => (value) => value.length <= most,
	range: (least, most) => (value) => /^-?\d+$/.test(value) && +value >= least && +value <= most
};

function fits(datatype, value) {
	const parts = /^(\w+)(?:\(([^)]*)\))?$/.exec(datatype || 'string');
	if (!parts || !TYPES[parts[1]])
		throw new TypeError('datatype ' + datatype + ' is not doubled');
	return TYPES[parts[1]](...(parts[2] || '').split(',').map(Number))(value);
}

/* Lets nothing be set that LuCI would never look at. */
function guarded(object, known) {
	return new Proxy(object, {
		set(target, key, value) {
			if (!known.includes(key) && !(key in target))
				throw new TypeError('form: nobody looks at "' + String(key) + '"');
			target[key] = value;
			return true;
		}
	});
}

const ELEMENT = [ 'title', 'description', 'readonly' ];
const MAP = [ ...ELEMENT, 'tabbed', 'root', 'sections' ];
const SECTION = [ ...ELEMENT, 'anonymous', 'addremove', 'sortable', 'addbtntitle', 'handleRemove', 'handleAdd', 'filter', 'options', 'tabs' ];
const OPTION = [ ...ELEMENT, 'datatype', 'default', 'placeholder', 'rmempty', 'optional', 'retain', 'load', 'write', 'remove', 'validate',
	'cfgvalue', 'renderWidget', 'onchange', 'choices', 'deps', 'tab', 'values' ];

const Map_ = baseclass.extend({
	__init__(config, title, description) {
		Object.assign(this, { config: config, title: title, description: description, sections: [], root: null, tabbed: false });
		return guarded(this, MAP);
	},
	section(kind, ...values) {
		const made = new kind(this, ...values);
		this.sections.push(made);
		return made;
	},
	async render() {
		await uci.load(this.config);
		this.root = E('div', { 'class': 'cbi-map' });
		dom.bindClassInstance(this.root, this);
		return this.draw();
	},
	async draw() {
		const parts = [];
		for (const section of this.sections)
			parts.push(await section.render());
		dom.content(this.root, [
			this.title ? E('h2', {}, this.title) : null,
			this.description ? E('div', { 'class': 'cbi-map-descr' }, this.description) : null
		]);
		const tabs = this.tabbed && tabbed(parts.map((node, at) => [ this.sections[at].title, node ]));
		dom.append(this.root, tabs ? [ tabs ] : []);
		dom.append(this.root, parts);
		this.depend();
		return this.root;
	},
	depend() { this.sections.forEach((section) => section.options.forEach((option) => option.depend())); },
	async save() {
		for (const section of this.sections)
			for (const id of section.ids())
				for (const option of section.options)
					await option.parse(id);
		await uci.save();
		return this.draw();
	},
	reset() { return this.draw(); }
});

/* Buttons that show one of several parts. */
function tabbed(parts) {
	const show = (which) => parts.forEach(([ title, node ], at) => {
		node.classList.toggle('hidden', at != which);
		menu.children[at].firstChild.toggleAttribute('data-on', at == which);
	});
	const menu = E('ul', { 'class': 'cbi-tabmenu' }, parts.map(([ title ], at) =>
		E('li', {}, [ E('button', { 'type': 'button', 'click': () => show(at) }, title) ])));
	show(0);
	return menu;
}

const Section = baseclass.extend({
	__init__(map, type, title, description) {
		Object.assign(this, { map: map, type: type, title: title, description: description, options: [], tabs: [], addremove: false });
		return guarded(this, SECTION);
	},
	option(kind, ...values) {
		const made = new kind(this.map, this, ...values);
		this.options.push(made);
		return made;
	},
	taboption(tab, ...values) {
		if (!this.tabs.some(([ name ]) => name == tab))
			throw new ReferenceError('Associated tab not declared');
		const made = this.option(...values);
		made.tab = tab;
		return made;
	},
	head() {
		return [ this.title ? E('h3', {}, this.title) : null, this.description ? E('div', { 'class': 'cbi-section-descr' }, this.description) : null ];
	},
	formvalue(id, name) { return this.options.find((option) => option.option == name).formvalue(id); },
	handleAdd(event, name) {
		uci.add(this.map.config, this.type, name);
		return this.map.save();
	},
	handleRemove(id) {
		uci.remove(this.map.config, id);
		return this.map.save();
	}
});

const NamedSection = Section.extend({
	__init__(map, id, type, title, description) {
		const made = Section.prototype.__init__.call(this, map, type, title, description);
		this.id = id;
		return made;
	},
	tab(name, title) { this.tabs.push([ name, title ]); },
	ids() { return uci.get(this.map.config, this.id) ? [ this.id ] : []; },
	async render() {
		const node = E('div', { 'class': 'cbi-section' }, this.head());
		for (const id of this.ids()) {
			const fields = [];
			for (const option of this.options)
				fields.push([ option.tab, await option.render(id, false) ]);
			if (this.tabs.length) {
				const parts = this.tabs.map(([ name, title ]) =>
					[ title, E('div', {}, fields.filter(([ tab ]) => tab == name).map(([ , field ]) => field)) ]);
				dom.append(node, [ tabbed(parts), ...parts.map(([ , part ]) => part) ]);
			}
			else
				dom.append(node, fields.map(([ , field ]) => field));
		}
		return node;
	}
});

const TypedSection = Section.extend({
	tab(name, title) { this.tabs.push([ name, title ]); },
	ids() { return uci.sections(this.map.config, this.type).map((section) => section['.name']); },
	async render() {
		const node = E('div', { 'class': 'cbi-section', 'data-type': this.type }, this.head());
		for (const id of this.ids()) {
			const fields = [ this.anonymous ? '' : E('h3', {}, id) ];
			for (const option of this.options)
				fields.push(await option.render(id, false));
			if (this.addremove)
				fields.push(E('button', { 'class': 'cbi-button-remove', 'click': ui.createHandlerFn(this, 'handleRemove', id) }, [ 'Delete' ]));
			dom.append(node, [ E('div', { 'data-section-id': id }, fields) ]);
		}
		dom.append(node, adder(this));
		return node;
	}
});

/* The name, if one is wanted, and the button for a new section. */
function adder(section) {
	const named = E('input', { 'type': 'text' });
	return !section.addremove ? [] : [ section.anonymous ? '' : named, E('button', {
		'class': 'cbi-button-add',
		'click': ui.createHandlerFn(section, function(event) { return this.handleAdd(event, this.anonymous ? null : named.value); })
	}, [ section.addbtntitle || 'Add' ]) ];
}

const TableSection = Section.extend({
	tab() { throw new Error('Tabs are not supported by TableSection'); },
	ids() { return uci.sections(this.map.config, this.type).map((section) => section['.name']); },
	async render() {
		const rows = [];
		for (const id of this.ids()) {
			const cells = this.anonymous ? [] : [ E('td', { 'class': 'td' }, [ id ]) ];
			for (const option of this.options)
				cells.push(E('td', { 'class': 'td', 'data-title': option.title }, [ await option.render(id, true) ]));
			if (this.addremove)
				cells.push(E('td', { 'class': 'td' }, [ E('button', { 'class': 'cbi-button-remove', 'click': ui.createHandlerFn(this, 'handleRemove', id) }, [ 'Delete' ]) ]));
			rows.push(E('tr', { 'class': 'tr', 'data-section-id': id }, cells));
		}
		return E('div', { 'class': 'cbi-section', 'data-type': this.type }, [
			...this.head(),
			E('table', { 'class': 'table' }, [
				E('tr', { 'class': 'tr table-titles' }, this.options.map((option) => E('th', { 'class': 'th' }, [ option.title ]))),
				...rows
			]),
			...adder(this)
		]);
	}
});

const Value = baseclass.extend({
	__init__(map, section, option, title, description) {
		Object.assign(this, { map: map, section: section, option: option, title: title, description: description,
			rmempty: true, default: null, choices: [], deps: [], values: {} });
		return guarded(this, OPTION);
	},
	value(key, label) { this.choices.push([ String(key), label == null ? String(key) : label ]); },
	depends(option, value) { this.deps.push([ option, value ]); },
	load(id) { return uci.get(this.map.config, id, this.option); },
	cfgvalue(id) { return this.values[id]; },
	cbid(id) { return 'cbid.' + this.map.config + '.' + id + '.' + this.option; },
	widget(id) { return document.getElementById(this.cbid(id)); },
	field(id) { return document.getElementById('field.' + this.cbid(id)); },
	async render(id, inTable) {
		this.values[id] = await this.load(id);
		const widget = await this.renderWidget(id, 0, this.cfgvalue(id));
		const field = E('div', { 'class': inTable ? '' : 'cbi-value', 'id': 'field.' + this.cbid(id) }, inTable ? [ widget ] : [
			E('label', { 'class': 'cbi-value-title' }, this.title),
			E('div', { 'class': 'cbi-value-field' }, [ widget, this.description ? E('div', { 'class': 'cbi-value-description' }, this.description) : null ])
		]);
		field.addEventListener('widget-change', () => this.map.depend());
		return field;
	},
	changed(node) { node.dispatchEvent(new CustomEvent('widget-change', { bubbles: true })); },
	input(value, after) {
		const input = E('input', { 'type': 'text', 'placeholder': this.placeholder || null });
		input.value = value || '';
		input.addEventListener('input', () => {
			input.classList.toggle('invalid', input.value != '' && !fits(this.datatype, input.value));
			this.changed(input);
		});
		const list = E('ul', { 'class': 'choices' }, this.choices.map(([ key, label ]) => E('li', {
			'data-value': key,
			'click': () => {
				input.value = key;
				input.dispatchEvent(new Event('input'));
			}
		}, [ dom.elem(label) ? label.cloneNode(true) : label ])));
		return E('div', {}, [ input, list ]);
	},
	renderWidget(id, index, value) {
		return E('div', { 'id': this.cbid(id) }, [ this.input(Array.isArray(value) ? value.join(' ') : value) ]);
	},
	formvalue(id) {
		const widget = this.widget(id);
		return widget ? widget.querySelector('input').value : null;
	},
	isActive(id) {
		const field = this.field(id);
		return field != null && !field.classList.contains('hidden');
	},
	depend() {
		for (const id of this.section.ids()) {
			const met = !this.deps.length || this.deps.some(([ name, wanted ]) => this.section.formvalue(id, name) == wanted);
			if (this.field(id))
				this.field(id).classList.toggle('hidden', !met);
		}
	},
	async parse(id) {
		/* A section that another field has just made isn't drawn yet: its options would go, too. */
		if (!this.isActive(id))
			return this.retain ? undefined : this.remove(id);
		const value = this.formvalue(id);
		for (const one of [].concat(value ?? []))
			if (one != '' && !fits(this.datatype, one))
				throw new TypeError('Option "' + this.title + '" contains an invalid input value.');
		const empty = value == null || value === '' || (Array.isArray(value) && !value.length);
		if (empty || (value == this.default && this.rmempty)) {
			if (!this.rmempty && empty)
				throw new TypeError('Option "' + this.title + '" must not be empty.');
			return this.remove(id);
		}
		if (JSON.stringify(value) != JSON.stringify(this.cfgvalue(id)))
			return this.write(id, value);
	},
	write(id, value) { uci.set(this.map.config, id, this.option, value); },
	remove(id) { uci.unset(this.map.config, id, this.option); }
});

const Flag = Value.extend({
	__init__(...values) {
		const made = Value.prototype.__init__.apply(this, values);
		this.default = '0';
		return made;
	},
	renderWidget(id, index, value) {
		const box = E('input', { 'type': 'checkbox' });
		box.checked = (value ?? this.default) == '1';
		box.addEventListener('change', () => this.changed(box));
		return E('div', { 'id': this.cbid(id) }, [ box ]);
	},
	formvalue(id) { return this.widget(id) && this.widget(id).querySelector('input').checked ? '1' : '0'; },
	parse(id) {
		if (!this.isActive(id) || (this.rmempty && this.formvalue(id) == this.default))
			return this.remove(id);
		return this.write(id, this.formvalue(id));
	}
});

const ListValue = Value.extend({
	renderWidget(id, index, value) {
		/* LuCI shows nothing to choose nothing by, but where that is allowed. */
		const choices = this.choices.filter(([ key ]) => key != '');
		if (this.optional)
			choices.unshift([ '', this.placeholder ?? '-- Please choose --' ]);
		const select = E('select', { 'change': () => this.changed(select) },
			choices.map(([ key, label ]) => E('option', { 'value': key }, [ label ])));
		select.value = value ?? this.default ?? '';
		if (select.selectedIndex < 0)
			select.selectedIndex = 0;
		return E('div', { 'id': this.cbid(id) }, [ select ]);
	},
	formvalue(id) { return this.widget(id) && this.widget(id).querySelector('select').value; }
});

const DynamicList = Value.extend({
	renderWidget(id, index, value) {
		const list = E('div', { 'id': this.cbid(id) });
		const add = (item) => list.insertBefore(this.input(item), list.lastChild);
		list.appendChild(E('button', { 'type': 'button', 'click': () => add('') }, [ '+' ]));
		L.toArray(value ?? this.default).forEach(add);
		return list;
	},
	formvalue(id) {
		const widget = this.widget(id);
		return widget ? [ ...widget.querySelectorAll('input') ].map((input) => input.value).filter((item) => item != '') : null;
	}
});

return baseclass.extend({
	Map: Map_, NamedSection: NamedSection, TypedSection: TypedSection, TableSection: TableSection,
	Value: Value, Flag: Flag, ListValue: ListValue, DynamicList: DynamicList
});
