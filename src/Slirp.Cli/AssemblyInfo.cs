using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Slirp.Cli.Tests")]
