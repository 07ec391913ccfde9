using System.Runtime.CompilerServices;

// Every P/Invoke here is blittable: what crosses the border is exactly the octets that stand in the struct.
[assembly: DisableRuntimeMarshalling]
[assembly: InternalsVisibleTo("Slirp.Linux.Tests")]
