using System.Text.Json;
using Slirp.Core;
using Slirp.Core.World;

namespace Slirp.Host.Control;

/// <summary>The members of the answer to <c>status</c>: what the worker carries and has done.</summary>
/// <param name="confinement">The walls that stand around this process, by name.</param>
public sealed class StatusReport(Worker worker, LinkOffloads offloads, IReadOnlyList<string> confinement)
{
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartArray("offloads");
        foreach (LinkOffloads offload in Enum.GetValues<LinkOffloads>())
            if (offload is not (LinkOffloads.None or LinkOffloads.All) && (offloads & offload) != 0) writer.WriteStringValue(offload.ToString());
        writer.WriteEndArray();
        writer.WriteStartArray("confinement");
        foreach (string wall in confinement) writer.WriteStringValue(wall);
        writer.WriteEndArray();
        WriteFlows(writer, worker.Status);
        WriteCounters(writer, worker.Counters);
        WriteDrops(writer, worker.Counters);
    }

    private static void WriteFlows(Utf8JsonWriter writer, WorkerStatus status)
    {
        writer.WriteStartObject("flows");
        writer.WriteNumber("tcp", status.TcpFlows);
        writer.WriteNumber("udp", status.UdpMappings);
        writer.WriteNumber("icmp", status.PingMappings);
        writer.WriteEndObject();
        writer.WriteNumber("forwards", status.Forwards);
    }

    private static void WriteCounters(Utf8JsonWriter writer, Counters counters)
    {
        writer.WriteStartObject("counters");
        writer.WriteNumber("frames_from_guest", counters.FramesFromGuest);
        writer.WriteNumber("octets_from_guest", counters.OctetsFromGuest);
        writer.WriteNumber("frames_to_guest", counters.FramesToGuest);
        writer.WriteNumber("octets_to_guest", counters.OctetsToGuest);
        writer.WriteNumber("tcp_flows_opened", counters.TcpFlowsOpened);
        writer.WriteNumber("tcp_flows_closed", counters.TcpFlowsClosed);
        writer.WriteNumber("tcp_half_open_evicted", counters.TcpHalfOpenEvicted);
        writer.WriteNumber("tcp_forwarded", counters.TcpForwarded);
        writer.WriteNumber("tcp_segments_sent", counters.TcpSegmentsSent);
        writer.WriteNumber("tcp_segments_retransmitted", counters.TcpSegmentsRetransmitted);
        writer.WriteNumber("tcp_retransmit_timeouts", counters.TcpRetransmitTimeouts);
        writer.WriteNumber("tcp_tail_probes", counters.TcpTailProbes);
        writer.WriteNumber("tcp_challenge_acks", counters.TcpChallengeAcks);
        writer.WriteNumber("udp_mappings_opened", counters.UdpMappingsOpened);
        writer.WriteNumber("udp_mappings_closed", counters.UdpMappingsClosed);
        writer.WriteNumber("udp_associations_opened", counters.UdpAssociationsOpened);
        writer.WriteNumber("udp_associations_closed", counters.UdpAssociationsClosed);
        writer.WriteNumber("icmp_echoes", counters.IcmpEchoes);
        writer.WriteNumber("dns_queries", counters.DnsQueries);
        writer.WriteNumber("dns_answers", counters.DnsAnswers);
        writer.WriteNumber("faults", counters.Faults);
        writer.WriteEndObject();
    }

    private static void WriteDrops(Utf8JsonWriter writer, Counters counters)
    {
        writer.WriteStartObject("drops");
        foreach (DropReason reason in Enum.GetValues<DropReason>())
            if (counters.Dropped(reason) is long count and not 0) writer.WriteNumber(reason.ToString(), count);
        writer.WriteEndObject();
    }
}
