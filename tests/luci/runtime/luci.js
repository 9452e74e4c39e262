/*
 * A double of LuCI's runtime, for what no registry has: behaves as LuCI's documentation says where the pages use it, and
 * throws where LuCI would refuse, or where the pages use what is not doubled.
 */
'use strict';

const env = JSON.parse(document.getElementById('env').textContent);

window._ = function(text) {
	if (typeof(text) != 'string')
		throw new TypeError('_() takes a string');
	/* The real one looks for the text without space around it, and its catalogue has it with that. */
	if (text != text.trim().replace(/[ \t\n]+/g, ' '))
		throw new Error('_(): no translation will ever be found for "' + text + '"');
	env.asked = env.asked || {};
	env.asked[text] = true;
	return env.catalogue[text] || text;
};

String.prototype.format = function(...values) {
	let at = 0;
	return this.replace(/%(\d+)?(?:\.(\d+))?(.)/g, function(whole, width, digits, kind) {
		if (kind == '%')
			return '%';
		if (at >= values.length)
			throw new Error('format(): no value for ' + whole + ' in "' + whole + '"');
		const value = values[at++];
		switch (kind) {
		case 's': return String(value);
		case 'd': return String(Math.floor(+value || 0));
		case 'f': return (+value).toFixed(digits == null ? 6 : +digits);
		case 'h': return String(value).replace(/[&<>"']/g, (letter) => '&#' + letter.charCodeAt(0) + ';');
		case 't': {
			const s = Math.floor(value), d = Math.floor(s / 86400);
			return (d ? d + 'd ' : '') + Math.floor(s % 86400 / 3600) + 'h ' + Math.floor(s % 3600 / 60) + 'm ' + s % 60 + 's';
		}
		case 'm': {
			const base = +(width || 1000), units = [ ' ', ' K', ' M', ' G', ' T' ];
			let number = +value, unit = 0;
			for (; unit < 4 && number >= base; unit++)
				number /= base;
			return number.toFixed(digits == null ? 2 : +digits) + units[unit] + (base == 1024 && unit ? 'i' : '');
		}
		default: throw new Error('format(): ' + whole + ' is not doubled');
		}
	});
};

/* LuCI.baseclass: classes by extend(), made by __init__(). */
function Class() {}
Class.extend = function(members) {
	const base = this;
	const made = function(...values) {
		/* What __init__() hands back is the instance: a guarded one, say. */
		return this.__init__ ? this.__init__(...values) : undefined;
	};
	made.prototype = Object.create(base.prototype);
	Object.assign(made.prototype, members);
	made.prototype.constructor = made;
	made.extend = Class.extend;
	return made;
};

const instances = new WeakMap();
const dom = {
	elem: (node) => node instanceof Node,
	append(node, children) {
		if (Array.isArray(children))
			children.forEach((child) => {
				if (child != null)
					node.appendChild(dom.elem(child) ? child : document.createTextNode(String(child)));
			});
		else if (typeof(children) == 'function')
			dom.append(node, children(node));
		else if (dom.elem(children))
			node.appendChild(children);
		else if (children != null)
			/* As the real one does, and the reason why the pages hand over arrays. */
			node.innerHTML = String(children);
	},
	content(node, children) {
		node.replaceChildren();
		dom.append(node, children);
	},
	attr(node, attributes) {
		Object.keys(attributes).forEach((key) => {
			const value = attributes[key];
			if (typeof(value) == 'function')
				node.addEventListener(key, value);
			else if (value != null)
				node.setAttribute(key, typeof(value) == 'object' ? JSON.stringify(value) : value);
		});
	},
	bindClassInstance: (node, instance) => (instances.set(node, instance), instance),
	findClassInstance: (node) => node && (instances.get(node) || dom.findClassInstance(node.parentNode)),
	callClassMethod: (node, method, ...values) => instances.get(node)[method](...values)
};

window.E = function(tag, attributes, children) {
	if (Array.isArray(tag)) {
		const fragment = document.createDocumentFragment();
		dom.append(fragment, tag);
		return fragment;
	}
	const node = document.createElement(tag);
	if (attributes != null && (typeof(attributes) != 'object' || Array.isArray(attributes) || dom.elem(attributes)))
		children = attributes;
	else
		dom.attr(node, attributes || {});
	dom.append(node, children);
	return node;
};

const poll = {
	queue: [],
	add(work, seconds) {
		if (typeof(work) != 'function' || isNaN(seconds))
			throw new TypeError('Invalid argument to LuCI.poll.add()');
		const entry = { work: work, idle: true, every: seconds >>> 0 };
		poll.queue.push(entry);
		let tick = 0;
		/* A step that is still under way isn't taken again. */
		setInterval(() => {
			if (++tick % entry.every == 0 && entry.idle) {
				entry.idle = false;
				Promise.resolve(entry.work()).finally(() => { entry.idle = true; });
			}
		}, 1000);
		return true;
	}
};

const classes = {};
const view = Class.extend({
	__init__() {
		const place = document.getElementById('view');
		Promise.resolve(this.load())
			.then((data) => this.render(data))
			.then((nodes) => {
				dom.content(place, nodes);
				place.appendChild(this.addFooter());
				document.body.dataset.ready = 'yes';
			})
			.catch((error) => {
				dom.content(place, [ E('pre', { 'class': 'failure' }, [ error.stack || error ]) ]);
				document.body.dataset.ready = 'failed';
				throw error;
			});
	},
	load() {},
	render() {},
	maps() { return [ ...document.querySelectorAll('#maincontent .cbi-map') ]; },
	handleSave() { return Promise.all(this.maps().map((map) => dom.callClassMethod(map, 'save'))); },
	handleSaveApply() { return this.handleSave().then(() => classes.ui.changes.apply(true)); },
	handleReset() { return Promise.all(this.maps().map((map) => dom.callClassMethod(map, 'reset'))); },
	addFooter() {
		const button = (kind, label) => this[kind]
			? E('button', { 'class': 'btn ' + kind, 'click': classes.ui.createHandlerFn(this, kind) }, [ label ]) : '';
		return E('div', { 'class': 'cbi-page-actions' }, [
			button('handleSaveApply', 'Save & Apply'), button('handleSave', 'Save'), button('handleReset', 'Reset')
		]);
	}
});

window.L = {
	bind: (work, self, ...values) => work.bind(self, ...values),
	url: (...parts) => '/cgi-bin/luci/' + parts.join('/'),
	hasViewPermission: () => env.permission,
	toArray: (value) => value == null ? [] : Array.isArray(value) ? value : String(value).trim().split(/\s+/),
	resolveDefault: (promise, value) => promise.catch(() => value)
};

Object.assign(classes, { dom: dom, poll: poll, view: view, baseclass: Class });

/* A module is a file whose first lines name what it needs; it returns a class, of which one instance is made. */
function require(name) {
	if (!classes[name])
		classes[name] = fetch('/luci-static/resources/' + name.replace(/\./g, '/') + '.js').then(async(answer) => {
			if (!answer.ok)
				throw new Error('HTTP error ' + answer.status + ' while loading class file "' + name + '"');
			const source = await answer.text();
			const needs = [], names = [];
			const head = /^\s*(?:\/\*[^]*?\*\/)?\s*'(use strict|require[ \t]+(\S+)(?:[ \t]+as[ \t]+([a-zA-Z_]\S*))?)';/;
			let rest = source, found;
			while ((found = head.exec(rest)) != null) {
				rest = rest.slice(found[0].length);
				if (found[2]) {
					needs.push(require(found[2]));
					names.push(found[3] || found[2].replace(/[^a-zA-Z0-9_]/g, '_'));
				}
			}
			const made = new Function('window', 'document', 'L', ...names, source + '\n//# sourceURL=' + name + '.js');
			const module = made(window, document, L, ...(await Promise.all(needs)));
			if (typeof(module) != 'function' || !(module.prototype instanceof Class))
				throw new TypeError('"' + name + '" factory yields invalid constructor');
			return (classes[name] = new module());
		});
	return Promise.resolve(classes[name]);
}

window.addEventListener('load', () => {
	const fail = (event) => { env.failures = (env.failures || []).concat(String(event.reason || event.message)); };
	window.addEventListener('error', fail);
	window.addEventListener('unhandledrejection', fail);
	window.testEnv = env;
	require('ui').then(() => require('view.upxe.' + env.view));
});
