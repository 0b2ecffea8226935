-- For wrk: any of ROUTES routes, at random, below PREFIX. The routes are gateway.ts's.
local routes = tonumber(os.getenv("ROUTES"))
local prefix = os.getenv("PREFIX")

request = function()
  local n = math.random(0, routes - 1)
  return wrk.format("GET", prefix .. "/service-" .. math.floor(n / 10) .. "/resource-" .. n % 10 .. "/" .. n)
end
