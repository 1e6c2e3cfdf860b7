-- The same body with every request.
function init(args)
  wrk.method = "POST"
  wrk.body = args[1]
end
