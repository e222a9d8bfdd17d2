// Which proxy a browser uses. CONFIG is written above by Watchhouse (portal/pac.py).
//
// ECMAScript 3, because old engines still run these files. It asks no DNS: names are judged as
// names and literal addresses as addresses, so that deciding is quick and the same everywhere.
// It never ends in DIRECT: where every proxy is down, browsing stops and nothing goes round them.
// Times and rules are no business of this file: they are judged on the gateway.

function FindProxyForURL(url, host) {
  var name = String(host).toLowerCase();
  if (isPlain(name)) {
    return "DIRECT";
  }
  name = name.replace(/\.+$/, "").replace(/^\[|\]$/g, "");
  var groups = addressGroups(name);
  if (isDirectName(name) || (groups && isDirectAddress(groups))) {
    return "DIRECT";
  }
  return proxiesFor(name);
}

// A name without dots belongs to this network. A number does not: some resolvers read it as an
// address. Nor does a name with a dot at its end, which may be a top-level domain.
function isPlain(name) {
  return /^[a-z0-9_-]*[a-z_-][a-z0-9_-]*$/.test(name) && !/^0x[0-9a-f]*$/.test(name);
}

function isDirectName(name) {
  var i;
  if (name === "localhost" || endsWith(name, ".localhost")) {
    return true;
  }
  for (i = 0; i < CONFIG.hosts.length; i++) {
    if (name === CONFIG.hosts[i]) {
      return true;
    }
  }
  for (i = 0; i < CONFIG.names.length; i++) {
    if (name === CONFIG.names[i] || endsWith(name, "." + CONFIG.names[i])) {
      return true;
    }
  }
  return false;
}

function endsWith(text, end) {
  return text.length > end.length && text.substring(text.length - end.length) === end;
}

// An address as numbers of 16 bits: two for IPv4, eight for IPv6; null for what is none.
// An IPv4 address inside an IPv6 one (::ffff:10.0.0.1) is the IPv4 address.
function addressGroups(text) {
  if (text.indexOf(":") < 0) {
    return ipv4Groups(text);
  }
  var groups = ipv6Groups(text.replace(/%.*$/, ""));
  if (groups && groups[5] === 65535 && groups[0] + groups[1] + groups[2] + groups[3] + groups[4] === 0) {
    return [groups[6], groups[7]];
  }
  return groups;
}

function ipv4Groups(text) {
  var parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!parts) {
    return null;
  }
  var bytes = [];
  for (var i = 1; i <= 4; i++) {
    // 010 is eight to some resolvers and ten to others: no address that we know.
    if (Number(parts[i]) > 255 || (parts[i].length > 1 && parts[i].charAt(0) === "0")) {
      return null;
    }
    bytes[bytes.length] = Number(parts[i]);
  }
  return [bytes[0] * 256 + bytes[1], bytes[2] * 256 + bytes[3]];
}

function ipv6Groups(text) {
  var halves = text.split("::");
  if (halves.length > 2) {
    return null;
  }
  var head = groupList(halves[0], halves.length === 1);
  var tail = halves.length === 2 ? groupList(halves[1], true) : [];
  if (!head || !tail) {
    return null;
  }
  var missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) {
    return null;
  }
  for (; missing > 0; missing--) {
    head[head.length] = 0;
  }
  return head.concat(tail);
}

function groupList(text, atEnd) {
  var groups = [];
  if (text === "") {
    return groups;
  }
  var parts = text.split(":");
  for (var i = 0; i < parts.length; i++) {
    if (atEnd && i === parts.length - 1 && parts[i].indexOf(".") >= 0) {
      var last = ipv4Groups(parts[i]);
      if (!last) {
        return null;
      }
      groups = groups.concat(last);
    } else if (/^[0-9a-f]{1,4}$/.test(parts[i])) {
      groups[groups.length] = parseInt(parts[i], 16);
    } else {
      return null;
    }
  }
  return groups;
}

function isDirectAddress(groups) {
  for (var i = 0; i < CONFIG.networks.length; i++) {
    if (isWithin(groups, CONFIG.networks[i].groups, CONFIG.networks[i].length)) {
      return true;
    }
  }
  return false;
}

// Whether the first `length` bits are the same.
function isWithin(groups, network, length) {
  if (groups.length !== network.length) {
    return false;
  }
  for (var i = 0; length > 0; i++, length -= 16) {
    var shift = length >= 16 ? 0 : 16 - length;
    if (groups[i] >> shift !== network[i] >> shift) {
      return false;
    }
  }
  return true;
}

// Every proxy, in an order that depends on the host alone: a host keeps to one proxy, hosts spread
// evenly, and the hosts of a proxy that fails spread evenly over the others (rendezvous hashing).
// Those that are reached by TLS come first; programs that cannot do that pass them over.
function proxiesFor(name) {
  return ranked("HTTPS ", CONFIG.secure, name).concat(ranked("PROXY ", CONFIG.proxies, name)).join("; ");
}

function ranked(how, proxies, name) {
  var order = [];
  for (var i = 0; i < proxies.length; i++) {
    var score = hash(proxies[i] + "|" + name);
    var place = order.length;
    while (place > 0 && order[place - 1].score < score) {
      order[place] = order[place - 1];
      place--;
    }
    order[place] = { score: score, text: how + proxies[i] };
  }
  var texts = [];
  for (var j = 0; j < order.length; j++) {
    texts[j] = order[j].text;
  }
  return texts;
}

// Bob Jenkins's one-at-a-time hash, 32 bits.
function hash(text) {
  var value = 0;
  for (var i = 0; i < text.length; i++) {
    value = (value + text.charCodeAt(i)) >>> 0;
    value = (value + (value << 10)) >>> 0;
    value = (value ^ (value >>> 6)) >>> 0;
  }
  value = (value + (value << 3)) >>> 0;
  value = (value ^ (value >>> 11)) >>> 0;
  return (value + (value << 15)) >>> 0;
}
