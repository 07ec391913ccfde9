namespace Slirp.EndToEnd.Tests; public class DnsHostileTests { }
