namespace Slirp.Core.Tcp;

/// <summary>The retransmission timeout by RFC 6298. A mutable struct that lives in its flow.</summary>
public struct RttEstimator
{
    private long _srtt, _rttvar; // nanoseconds; _srtt 0: nothing measured yet
    private long _minimum;
    private int _backoff;

    /// <summary>Unanswered timeouts in a row.</summary>
    public int TimeoutCount { readonly get; private set; }

    /// <summary>The timeout is longer than what was measured asks for.</summary>
    public readonly bool IsBackedOff => _backoff > 0;

    public readonly bool IsMeasured => _srtt > 0;

    public readonly TimeSpan Smoothed => TimeSpan.FromTicks(_srtt / 100);

    /// <summary>The shortest ever measured; zero before the first.</summary>
    public readonly TimeSpan Minimum => TimeSpan.FromTicks(_minimum / 100);

    /// <summary>RFC 6298 sections 2.2 to 2.4, with the back-off of 5.5.</summary>
    public readonly TimeSpan Rto(TcpParameters parameters)
    {
        TimeSpan rto = WithoutBackoff(parameters) * (1L << Math.Min(_backoff, 20));
        return rto < parameters.MaxRto ? rto : parameters.MaxRto;
    }

    private readonly TimeSpan WithoutBackoff(TcpParameters parameters)
    {
        TimeSpan rto = _srtt == 0 ? parameters.InitialRto : TimeSpan.FromTicks((_srtt + 4 * _rttvar) / 100);
        return rto > parameters.MinRto ? rto : parameters.MinRto;
    }

    /// <param name="sample">Of a segment that was sent once (Karn), or measured by timestamps (RFC 7323 section 4).</param>
    public void Sample(TimeSpan sample)
    {
        long r = Math.Max(1, sample.Ticks * 100);
        if (_minimum == 0 || r < _minimum) _minimum = r;
        if (_srtt == 0)
        {
            _srtt = r;
            _rttvar = r / 2;
        }
        else
        {
            _rttvar += (Math.Abs(_srtt - r) - _rttvar) / 4;
            _srtt += (r - _srtt) / 8;
            if (_srtt <= 0) _srtt = 1;
        }
        _backoff = 0;
    }

    /// <summary>By the timestamp that comes back for what was sent more than once. If the acknowledgment of the first copy was
    /// lost, and a later copy brought another, that may be any number of timeouts ago: so one sample no more than doubles the
    /// timeout, which is as fast as backing off, and a round trip that has grown is still learnt.</summary>
    /// <param name="milliseconds">Measured by a clock of milliseconds: right to within one of them.</param>
    public void SampleCoarsely(int milliseconds, TcpParameters parameters)
    {
        long minimum = _minimum;
        milliseconds = (int)Math.Min(milliseconds, 2 * WithoutBackoff(parameters).TotalMilliseconds);
        // Of what is faster than the clock it shows no more than that.
        if (milliseconds > 0 || _srtt == 0 || _srtt > 1_000_000) Sample(TimeSpan.FromMilliseconds(Math.Max(1, milliseconds)));
        _minimum = minimum;
        _backoff = 0;
    }

    public void BackOff()
    {
        _backoff++;
        TimeoutCount++;
    }

    /// <summary>Something new was acknowledged: the path is alive. What was backed off stays so until something can be
    /// measured (Karn; RFC 6298 section 5), else a round trip that has grown beyond the timeout would never be.</summary>
    public void OnProgress() => TimeoutCount = 0;

    /// <summary>The silence had another cause than the path; how often something was sent in vain still counts.</summary>
    public void ForgetBackOff() => _backoff = 0;

    /// <summary>The connection is open: what its SYN had to wait for does not count any more.</summary>
    public void Restart() => _backoff = TimeoutCount = 0;
}
