using System.Runtime.Versioning;
using Xunit;

[assembly: SupportedOSPlatform("linux")]

// Descriptors and children belong to the whole process: tests that count them must be alone.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
