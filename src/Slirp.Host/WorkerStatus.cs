namespace Slirp.Host;

/// <summary>How much of what a worker carries now.</summary>
public readonly record struct WorkerStatus(int TcpFlows, int UdpMappings, int PingMappings, int Forwards);
