using System.Runtime.Versioning;
using Xunit;

// Each test runs a stack, a server and often a capture: one at a time is what two cores carry evenly.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
[assembly: SupportedOSPlatform("linux")]
