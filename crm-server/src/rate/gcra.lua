-- KEYS: whom a request is counted for. ARGV: 1 where it is counted, 0 where it is only looked at;
-- then for each key what a request costs and how far ahead it may run, in microseconds.
-- Answers how far ahead each was before. It is counted for all of them or for none.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ahead, admitted = {}, true
for i, key in ipairs(KEYS) do
    local step, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local before = tonumber(redis.call('GET', key) or now) - now
    before = math.min(math.max(before, 0), window)
    ahead[i] = before
    admitted = admitted and before + step <= window
end
if admitted and ARGV[1] == '1' then
    for i, key in ipairs(KEYS) do
        local after = ahead[i] + tonumber(ARGV[2 * i])
        redis.call('SET', key, string.format('%.0f', now + after), 'PX', math.ceil(after / 1000))
    end
end
return ahead
