using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Slirp.Host.Tests")]
